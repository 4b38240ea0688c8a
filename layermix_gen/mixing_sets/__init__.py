"""Mixing sets: the pictures that images are mixed with, packed from a folder or rendered as fractals."""
