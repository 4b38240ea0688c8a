"""The kernels: pixels of views and variants, in C and in NumPy, with the same bytes on every processor."""
