"""What all drawn figures share: colours, text fitting, a canvas for Pillow and a style for Matplotlib."""
