"""The kernels of the corruptions, grouped by what they do to an image."""
