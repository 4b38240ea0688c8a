"""Building: from a request to the shards of a dataset, on one engine or another."""
