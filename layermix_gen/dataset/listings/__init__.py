"""The list of a build's inputs: written in planned order as Parquet, read in part, checked and compared."""
