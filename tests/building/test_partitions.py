"""Partitions as the environments of SLURM's job arrays and of Kubernetes' indexed Jobs say them."""

import pytest

from layermix_gen import LayerMixError
from layermix_gen.building.partitions import checked_partition
from tests.helpers import invoke

NAMES = ("ID", "COUNT", "MIN", "MAX")


def slurm(*values: str) -> dict[str, str]:
    return {f"SLURM_ARRAY_TASK_{name}": value for name, value in zip(NAMES, values, strict=False)}


def kubernetes(*values: str) -> dict[str, str]:
    return dict(zip(("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"), values, strict=False))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment outside of any scheduler."""
    for name in (*slurm(*NAMES), *kubernetes("", "")):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "variables", "partition"),
    [
        ("slurm", slurm("0", "16", "0", "15"), (0, 16)),
        ("slurm", slurm("16", "16", "1", "16"), (15, 16)),  # --array=1-16
        ("slurm", slurm("8", "4", "0", "12"), (2, 4)),  # --array=0-15:4
        ("slurm", slurm("7", "3", "3", "7"), (2, 3)),  # --array=3,5,7
        ("slurm", slurm("9", "2", "4", "9"), (1, 2)),  # --array=4,9
        ("slurm", slurm("5", "1", "5", "5"), (0, 1)),  # --array=5: it builds what is left
        ("k8s", kubernetes("0", "1"), (0, 1)),
        ("k8s", kubernetes("15", "16"), (15, 16)),
    ],
)
def test_the_scheduler_says_which_job_this_is(
    name: str, variables: dict[str, str], partition: tuple[int, int], environment: pytest.MonkeyPatch
) -> None:
    for variable, value in variables.items():
        environment.setenv(variable, value)
    assert checked_partition(name) == partition


@pytest.mark.parametrize(
    ("name", "variables", "message"),
    [
        (
            "slurm",
            {},
            "expected a whole number as SLURM_ARRAY_TASK_ID in the environment for --partition slurm, found none",
        ),
        ("slurm", slurm("3"), "expected a whole number as SLURM_ARRAY_TASK_COUNT in the .*, found none; submit with"),
        ("slurm", slurm("x", "16", "0", "15"), "expected a whole number as SLURM_ARRAY_TASK_ID in the .*, got 'x'; "),
        ("slurm", slurm("-1", "16", "0", "15"), "expected a whole number .*, got '-1'; "),
        ("slurm", slurm("3", "3", "1", "7"), "evenly apart, .* got 3 tasks from 1 to 7, this one 3; submit such"),
        ("slurm", slurm("9", "3", "1", "7"), "evenly apart"),
        ("slurm", slurm("1", "0", "1", "1"), "evenly apart"),
        ("slurm", slurm("1", "3", "1", "2"), "evenly apart"),
        ("k8s", {}, "expected a whole number as JOB_COMPLETION_INDEX in .* for --partition k8s, found none; run it in"),
        (
            "k8s",
            kubernetes("1"),
            "expected a whole number as JOB_COMPLETIONS in .*, found none; .* or give --partition",
        ),
        ("k8s", kubernetes("4", "4"), "expected JOB_COMPLETION_INDEX below JOB_COMPLETIONS, got 4 and 4; set"),
        ("lsf", {}, "partition must be two whole numbers .*, 'slurm' or 'k8s', got 'lsf'; change --partition"),
    ],
)
def test_an_environment_that_does_not_say_it_is_refused(
    name: str, variables: dict[str, str], message: str, environment: pytest.MonkeyPatch
) -> None:
    for variable, value in variables.items():
        environment.setenv(variable, value)
    with pytest.raises(LayerMixError, match=message):
        checked_partition(name)


@pytest.mark.usefixtures("environment")
def test_the_command_line_says_it_in_one_line() -> None:
    result = invoke("build", "a", "b", "--partition", "k8s")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: expected a whole number as JOB_COMPLETION_INDEX in the environment")
    assert result.stderr.count("\n") == 1
