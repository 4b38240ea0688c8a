"""Is the data there? Looks for suites in a folder, and for what would stop an evaluation, before hours are spent.

Headers, names and counts are read. With `deep` every image is decoded too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.lists import CBAR, P, extra_list, mean_list
from layermix_gen.evaluate.suites import Data, Opening, Part, SuiteSource, arrays, find_suite, folders, locate, videos
from layermix_gen.evaluate.suites.locate import DATASETS, PUBLISHED, plain, published
from layermix_gen.evaluate.suites.shards import is_dataset
from layermix_gen.text import count
