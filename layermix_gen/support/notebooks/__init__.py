"""What notebooks show of this package's objects, as HTML."""
