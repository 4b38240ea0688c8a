"""Run a harness of faults for long: `python -m tests.faults kills --rounds 1000`."""

import argparse
import importlib
import tempfile
import time
from pathlib import Path

from tests.faults.tally import Harness

HARNESSES = tuple(
    path.stem for path in sorted(Path(__file__).parent.glob("[!_]*.py")) if not path.stem.startswith(("test_", "tally"))
)


def main() -> int:
    """Run the harness that the command line names, print its tally, and return 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("name", choices=HARNESSES)
    parser.add_argument("--rounds", type=int, required=True, help="how many faults")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    arguments = parser.parse_args()
    harness: Harness = importlib.import_module(f"tests.faults.{arguments.name}").harness
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tally = harness(arguments.rounds, arguments.seed, Path(folder))
    print(f"{arguments.name}: {tally}\n{time.perf_counter() - begin:.0f} s")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
