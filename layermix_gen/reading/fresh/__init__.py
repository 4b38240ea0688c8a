"""Fresh variants: clean images mixed anew in each epoch, while they are read."""
