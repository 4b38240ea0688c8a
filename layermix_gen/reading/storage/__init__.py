"""Where a reader finds the tars: in a folder, or at a URL, from which they are fetched ahead of their use."""
