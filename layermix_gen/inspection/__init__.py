"""Inspection: find, see, check and mend the samples of a finished dataset by their metadata. Opened by `shards`."""
