"""The pictures that are mixed in: sets of them, packed from a folder or rendered as fractals."""
