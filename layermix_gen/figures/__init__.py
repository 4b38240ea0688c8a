"""One sheet of paper for every picture that is drawn: colours, a canvas for Pillow, a style for Matplotlib."""
