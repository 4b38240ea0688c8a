"""Virtual planes: variants whose rows of the index are stored, and whose images are rendered from the clean plane."""
