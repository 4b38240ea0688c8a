"""A dataset on the Hugging Face Hub."""
