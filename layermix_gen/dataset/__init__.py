"""A dataset on disk, described once: its settings, plan, samples, tars, index and manifest."""
