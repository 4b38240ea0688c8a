"""Inspection: find the samples of a finished dataset by metadata, see, check and repair them. Entry point: `shards`."""
