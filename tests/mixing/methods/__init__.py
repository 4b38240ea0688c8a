"""Tests of the methods: what they draw, against the definitions in their papers and their authors' code."""
