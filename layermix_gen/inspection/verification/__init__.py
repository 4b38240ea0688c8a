"""Verification and repair: is every byte as it was built, and building again what is not."""
