"""Where a dataset goes that is built in a folder: it stays there, or goes to an object store."""
