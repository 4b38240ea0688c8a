"""Columnar files, Parquet and Arrow: tables, and images that lie in them as the library `datasets` writes them."""
