"""Images as arrays in files: a published set or `.npz`, a module for each form."""
