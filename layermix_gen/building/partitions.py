"""Partitions: which shards one job builds, as two numbers i and n, or as the scheduler of a job array says."""

import os
from collections.abc import Mapping

from layermix_gen.errors import LayerMixError
from layermix_gen.support.text import count

SLURM_ID, SLURM_COUNT = "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"
SLURM_FIRST, SLURM_LAST = "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX"
K8S_INDEX, K8S_COUNT = "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"
HOW_TO_SUBMIT = {
    "slurm": "submit with `sbatch --array=0-15`",
    "k8s": f"run it in a Job with `completionMode: Indexed`, which sets {K8S_INDEX}, and set {K8S_COUNT} in its "
    "container to the Job's `completions`",
}


def checked_partition(partition: tuple[int, int] | str) -> tuple[int, int]:
    """The partition (i, n) that is given, or that the scheduler `slurm` or `k8s` says in the environment.

    Raises `LayerMixError` unless 0 <= i < n, and where the environment does not say which of how many jobs this is.
    """
    if partition == "slurm":
        return _of_slurm(os.environ)
    if partition == "k8s":
        return _of_kubernetes(os.environ)
    if not (isinstance(partition, tuple | list) and list(map(type, partition)) == [int, int]):
        raise LayerMixError(
            f"partition must be two whole numbers (i, n), 'slurm' or 'k8s', got {partition!r}; change --partition"
        )
    index, number = partition
    if not 0 <= index < number:
        raise LayerMixError(f"partition i/n must have 0 <= i < n, got {index}/{number}; change --partition")
    return index, number


def _of_slurm(environment: Mapping[str, str]) -> tuple[int, int]:
    """The place of this task in its array, whose ids may begin anywhere and be any step apart."""
    task, number = (_whole(environment, name, "slurm") for name in (SLURM_ID, SLURM_COUNT))
    first, last = (_whole(environment, name, "slurm") for name in (SLURM_FIRST, SLURM_LAST))
    step = (last - first) // (number - 1) if number > 1 else 1
    if (
        number < 1
        or not first <= task <= last
        or step < 1
        or (last - first) != step * (number - 1)
        or (task - first) % step
    ):
        raise LayerMixError(
            f"expected ids of the job array that are evenly apart, as in `--array=0-15`, got {count(number, 'task')} "
            f"from {first} to {last}, this one {task}; submit such an array again, or give --partition i/n"
        )
    return (task - first) // step, number


def _of_kubernetes(environment: Mapping[str, str]) -> tuple[int, int]:
    index, number = (_whole(environment, name, "k8s") for name in (K8S_INDEX, K8S_COUNT))
    if index >= number:
        raise LayerMixError(
            f"expected {K8S_INDEX} below {K8S_COUNT}, got {index} and {number}; set {K8S_COUNT} to the Job's "
            "`completions`"
        )
    return index, number


def _whole(environment: Mapping[str, str], name: str, scheduler: str) -> int:
    """The whole number that a variable of the environment holds."""
    text = environment.get(name, "")
    if not (text.isascii() and text.isdecimal()):
        found = f"got {text!r}" if text else "found none"
        raise LayerMixError(
            f"expected a whole number as {name} in the environment for --partition {scheduler}, {found}; "
            f"{HOW_TO_SUBMIT[scheduler]}, or give --partition i/n"
        )
    return int(text)
