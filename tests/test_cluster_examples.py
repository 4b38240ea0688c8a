"""The files of examples/cluster run as they stand, by stand-ins for the schedulers, which set the environment."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from layermix_gen import BuildSettings, build
from tests.helpers import COMMAND, digest, files, invoke

CLUSTER = Path(__file__).parents[1] / "examples" / "cluster"
OPTIONS = ("--variants", "1", "--size", "8", "--shard-size", "2")  # 24 photographs in 12 shards, for 8 jobs
STAND_IN = Path(__file__).parent / "schedulers.py"


@pytest.fixture(scope="module")
def whole(photographs: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a build on one machine."""
    root = tmp_path_factory.mktemp("whole") / "out"
    settings = BuildSettings(variants=1, size=8, shard_size="2")
    build(photographs, root, settings, mixing_set=pool, workers=1, progress=False)
    return digest(root)


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder with `layermix-gen`, `sbatch` and `kubectl`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, command in {"layermix-gen": COMMAND, "sbatch": (sys.executable, STAND_IN), "kubectl": ()}.items():
        words = map(str, command or (sys.executable, STAND_IN))
        (folder / name).write_text(f'#!/bin/sh\nSTAND_IN={name} exec {" ".join(words)} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def run(script: Path, bin_folder: Path, **variables: object) -> "subprocess.CompletedProcess[str]":
    """Run a script with the stand-ins first in the PATH."""
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    environment |= {"PATH": f"{bin_folder}:{os.environ['PATH']}", "STATE": str(bin_folder)}
    return subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.long
def test_slurm(photographs: Path, pool: Path, whole: str, bin_folder: Path, tmp_path: Path) -> None:
    """A job that is lost is named; the same submission again builds what it lacks. In an array of four jobs."""
    folder, out = shutil.copytree(CLUSTER / "slurm", tmp_path / "slurm"), tmp_path / "out"
    script = folder / "submit.sh"
    for name, old, new in (("build.sbatch", "--array=0-7", "--array=1-4"), ("finish.sbatch", "--jobs 8", "--jobs 4")):
        text = (folder / name).read_text()
        assert text.count(old) == 1
        (folder / name).write_text(text.replace(old, new))
    variables = {"SOURCE": photographs, "OUT": out, "OPTIONS": " ".join([*OPTIONS, "--mixing-set", str(pool)])}
    done = run(script, bin_folder, **variables, LOST=3)
    assert (done.returncode, done.stdout) == (0, "plan 1, build 2, finish 3\n")
    found = f"3 of 12 shards of {out} are not finished: 2,6,10"
    assert (bin_folder / "3.err").read_text() == (
        f"Error: expected all shards, but {found}; build them by `layermix-gen build-planned {out}`, "
        "or --partition 2/4\n"
    )
    assert not (out / "dataset.json").exists()
    assert run(script, bin_folder, **variables).returncode == 0
    assert [(bin_folder / f"{job}.status").read_text() for job in range(1, 7)] == [*"011000"]
    assert digest(out) == whole
    assert [name for name in files(out) if "lock" in name] == []


def test_a_plan_that_fails_stops_the_array(photographs: Path, bin_folder: Path, tmp_path: Path) -> None:
    assert "OUT: give the folder of the shards" in run(CLUSTER / "slurm" / "submit.sh", bin_folder, SOURCE="a").stderr
    assert not (bin_folder / "1.err").exists()
    variables = {"SOURCE": tmp_path / "nowhere", "OUT": tmp_path / "out", "OPTIONS": ""}
    assert run(CLUSTER / "slurm" / "submit.sh", bin_folder, **variables).returncode == 0
    assert "nowhere" in (bin_folder / "1.err").read_text()
    assert (bin_folder / "2.err").read_text() == "DependencyNeverSatisfied\n"
    assert "expected a plan with its list of inputs" in (bin_folder / "3.err").read_text()


def test_the_lines_for_sbatch_are_options_of_it() -> None:
    known = {"job-name", "array", "cpus-per-task", "mem", "time", "requeue", "signal"}
    for path in (CLUSTER / "slurm").glob("*.sbatch"):
        lines = path.read_text().splitlines()
        first = next(number for number, line in enumerate(lines) if number and not line.startswith("#SBATCH"))
        assert not [line for line in lines[first:] if line.startswith("#SBATCH")], path  # sbatch would not see them
        assert set(re.findall(r"^#SBATCH --([\w-]+)", "\n".join(lines), re.MULTILINE)) <= known, path


@pytest.mark.long
def test_kubernetes(photographs: Path, pool: Path, whole: str, bin_folder: Path, tmp_path: Path) -> None:
    """A job that is lost is named; run again, it builds what is left. With options and a number of jobs of its own."""
    folder, data = shutil.copytree(CLUSTER / "kubernetes", tmp_path / "kubernetes"), tmp_path / "data"
    shutil.copytree(photographs, data / "train")
    shutil.copy(pool, data / "pool.npy")
    jobs = folder / "jobs.yaml"
    text = jobs.read_text()
    assert text.count("args: [") == 1
    text, changed = re.subn(r'(completions: |parallelism: |value: "|--jobs, ")8', r"\g<1>3", text)
    assert changed == 4
    jobs.write_text(re.sub(r"args: \[.*\]", f"args: {[*OPTIONS, '--mixing-set', '/data/pool.npy']}", text))
    done = run(folder / "run.sh", bin_folder, DATA=data, LOST=2)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: expected all shards, but 4 of 12 shards of ")
    assert done.stderr.endswith("or --partition 2/3\n")
    assert not (data / "shards" / "dataset.json").exists()
    done = run(folder / "run.sh", bin_folder, DATA=data)
    assert done.returncode == 0, done.stderr
    assert digest(data / "shards") == whole
    assert (data / "shards" / "dataset.json").exists()


def test_a_plan_that_fails_ends_the_steps(bin_folder: Path, tmp_path: Path) -> None:
    done = run(CLUSTER / "kubernetes" / "run.sh", bin_folder, DATA=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert not (bin_folder / "build.status").exists()


def test_the_jobs_of_kubernetes_agree_on_their_number() -> None:
    _, job, finish = yaml.safe_load_all((CLUSTER / "kubernetes" / "jobs.yaml").read_text())
    completions = job["spec"]["completions"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert (job["spec"]["completionMode"], job["spec"]["parallelism"]) == ("Indexed", completions)
    assert container["env"] == [{"name": "JOB_COMPLETIONS", "value": str(completions)}]
    (last,) = finish["spec"]["template"]["spec"]["containers"]
    assert last["command"][-2:] == ["--jobs", str(completions)]
    sbatch = (CLUSTER / "slurm" / "build.sbatch").read_text()
    first, end = re.search(r"--array=(\d+)-(\d+)", sbatch).groups()
    assert f"--jobs {int(end) - int(first) + 1}" in (CLUSTER / "slurm" / "finish.sbatch").read_text()


def test_the_options_of_the_jobs_are_those_of_the_command() -> None:
    for document in yaml.safe_load_all((CLUSTER / "kubernetes" / "jobs.yaml").read_text()):
        (container,) = document["spec"]["template"]["spec"]["containers"]
        words: list[str] = [*container["command"], *container.get("args", [])]
        program, command = words[:2]
        assert program == "layermix-gen"
        text = invoke(command, "--help").stdout
        assert [word for word in words if word.startswith("--") and f"{word} " not in text] == []
