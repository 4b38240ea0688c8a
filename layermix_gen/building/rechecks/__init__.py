"""What is looked at again before a build goes on: inputs that were left out, and images that were replaced since."""
