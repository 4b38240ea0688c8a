"""Fault injection: harnesses that do harm to the product and tell whether it held.

The tests here run a short version of each; `python -m tests.faults NAME --rounds N` runs a long one.
"""
