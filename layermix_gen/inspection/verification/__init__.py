"""Verification and repair: check that every byte is as it was built, and build again what is not."""
