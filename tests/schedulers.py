"""Stand-ins for `sbatch` and `kubectl`: they run the jobs of examples/cluster at once, two at a time, here.

The environment variable STAND_IN says which; in the folder STATE, each job leaves its exit status and what it has said.
A task of an array whose number is LOST is not run.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import yaml

STATE = Path(os.environ["STATE"])


CPUS = sorted(os.sched_getaffinity(0))


def run(command: list[str], environment: dict[str, str], number: int) -> "subprocess.CompletedProcess[str]":
    on_one = ["taskset", "--cpu-list", str(CPUS[number % len(CPUS)]), *command]
    return subprocess.run(on_one, env=os.environ | environment, capture_output=True, text=True, check=False)


def at_once(command: list[str], environments: list[dict[str, str]], job: str) -> int:
    """Run a command in each environment on one CPU, the last one first; the number of those that failed."""
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(partial(run, command), reversed(environments), range(len(environments))))
    (STATE / f"{job}.err").write_text("".join(one.stderr for one in ended))
    return sum(one.returncode != 0 for one in ended)


def sbatch(*arguments: str) -> int:
    """Run a batch script, each task of its array on one CPU, unless a job that it depends on has failed."""
    *options, script = arguments
    job = str(len(list(STATE.glob("*.status"))) + 1)
    needed = [option.rpartition(":")[2] for option in options if option.startswith("--dependency=afterok:")]
    if any((STATE / f"{one}.status").read_text() != "0" for one in needed):
        if "--kill-on-invalid-dep=yes" not in options:
            return 1  # it would stay in the queue, and what waits for its end with it
        (STATE / f"{job}.err").write_text("DependencyNeverSatisfied\n")
        failed = 1
    else:
        array = re.search(r"^#SBATCH --array=(\d+)-(\d+)$", Path(script).read_text(), re.MULTILINE)
        environments = [{"SLURM_CPUS_PER_TASK": "1"}]
        lost = 0
        if array:
            first, last = map(int, array.groups())
            facts = {"COUNT": last - first + 1, "MIN": first, "MAX": last, "STEP": 1}
            common = environments[0] | {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in facts.items()}
            tasks = [number for number in range(first, last + 1) if str(number) != os.environ.get("LOST")]
            environments = [common | {"SLURM_ARRAY_TASK_ID": str(number)} for number in tasks]
            lost = last - first + 1 - len(tasks)
        failed = lost + at_once(["bash", script], environments, job)
    (STATE / f"{job}.status").write_text(str(min(failed, 1)))
    sys.stdout.write(f"{job};cluster\n")
    return 0


def kubectl(verb: str, *options: str) -> int:
    """Run the Jobs of a file that have the label of the selector, tell how they have ended, or what they have said."""
    if verb == "logs":
        print((STATE / f"{options[0].rpartition('-')[2]}.err").read_text(), end="")
        return 0
    given = dict(option.removeprefix("--").split("=", 1) for option in options if "=" in option)
    label, _, step = given["selector"].partition("=")
    if verb == "get":
        print("Complete" if (STATE / f"{step}.status").read_text() == "0" else "FailureTarget Failed")
    if verb == "apply":
        for job in yaml.safe_load_all(Path(given["filename"]).read_text()):
            if job["metadata"]["labels"].get(label) == step:
                (container,) = job["spec"]["template"]["spec"]["containers"]
                words = [*container["command"], *container.get("args", [])]
                command = [re.sub(r"^/data/", f"{os.environ['DATA']}/", word) for word in words]
                variables = {one["name"]: one["value"] for one in container.get("env", [])}
                indexes = range(job["spec"]["completions"]) if "completionMode" in job["spec"] else [None]
                kept = [index for index in indexes if str(index) != os.environ.get("LOST")]
                indexed = [{} if index is None else {"JOB_COMPLETION_INDEX": str(index)} for index in kept]
                failed = at_once(command, [variables | one for one in indexed], step) + len(indexes) - len(kept)
                (STATE / f"{step}.status").write_text(str(min(failed, 1)))
    return 0


if __name__ == "__main__":
    sys.exit(sbatch(*sys.argv[1:]) if os.environ["STAND_IN"] == "sbatch" else kubectl(*sys.argv[1:]))
