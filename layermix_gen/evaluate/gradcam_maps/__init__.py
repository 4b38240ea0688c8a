"""Grad-CAM: where a model looks, and a sheet of it."""
