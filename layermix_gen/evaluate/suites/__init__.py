"""Suites: the published layouts of the benchmarks, and shards built by us, read exactly and in pieces.

`locate` finds the folders, `find_suite` looks into one of them, and `complete` refuses it where it lacks a part or
holds what no list names: nothing slips into a mean.
"""

from layermix_gen.evaluate.suites.base import Part, SuiteSource
from layermix_gen.evaluate.suites.find import complete, find_suite
from layermix_gen.evaluate.suites.locate import Data, locate
from layermix_gen.evaluate.suites.suite_options import SuiteOptions

__all__ = ["Data", "Part", "SuiteOptions", "SuiteSource", "complete", "find_suite", "locate"]
