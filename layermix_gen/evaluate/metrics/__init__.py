"""The metrics, computed from stored predictions alone."""
