"""Queries of the index in SQL, and the sandbox that they run in."""
