"""Sources at URLs: folders in object stores, tars and tables there or on the web, read by fsspec."""
