"""Drawings of samples and their recipes: trees, contact sheets, the gallery, plots."""
