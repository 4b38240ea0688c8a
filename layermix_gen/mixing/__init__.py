"""Mixing itself: methods draw recipes; operations and blends render them."""
