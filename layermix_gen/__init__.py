"""LayerMix training sets, computed offline and written as WebDataset shards."""

__version__ = "0.1.0.dev0"
