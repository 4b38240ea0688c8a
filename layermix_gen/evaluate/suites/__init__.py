"""Suites in the published layouts of the benchmarks, or in shards built by this package, read exactly and in pieces.

`locate` finds the folders, `find_suite` looks into one of them, and `complete` refuses it where it lacks a part or has
one that no list names, so that nothing slips into a mean.
"""

from layermix_gen.evaluate.suites.base import Part, SuiteSource
from layermix_gen.evaluate.suites.suite_folders import Data, locate
from layermix_gen.evaluate.suites.suite_options import SuiteOptions
from layermix_gen.evaluate.suites.suite_parts import complete, find_suite

__all__ = ["Data", "Part", "SuiteOptions", "SuiteSource", "complete", "find_suite", "locate"]
