"""Building a dataset: check the request, size the shards, build them on an engine and write the manifest."""
