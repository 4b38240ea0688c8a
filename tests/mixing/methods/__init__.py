"""Tests of the methods, each against its definition."""
