"""Helpers for all other packages: files, processes, threads, progress, text. Nothing here deals with images."""
