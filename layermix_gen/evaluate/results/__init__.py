"""What a model predicted, kept on disk with the signature of the run."""
