"""Grad-CAM: where a model looks, and a sheet that shows it for several images and models."""
