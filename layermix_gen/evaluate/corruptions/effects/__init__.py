"""The kernels of the corruptions, by what they do to an image."""
