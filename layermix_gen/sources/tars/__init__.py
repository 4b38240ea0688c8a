"""WebDataset tars: where they are, the samples in them, and what these say of their labels."""
