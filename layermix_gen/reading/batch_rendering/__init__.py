"""Recipes of a whole batch rendered by PyTorch on any device, to the same bytes as the kernels."""
