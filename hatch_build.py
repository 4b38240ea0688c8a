"""Compile the kernels: one library for each level of processors, beside their sources."""

import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent / "layermix_gen" / "kernels"
LEVELS = {"baseline": "x86-64", "x86-64-v3": "x86-64-v3", "x86-64-v4": "x86-64-v4"}
FLAGS = [
    "-std=gnu11",
    "-O3",
    "-ffp-contract=off",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
    "-Wall",
    "-Wextra",
    "-Wno-psabi",
]


def compile_all(compiler: list[str]) -> None:
    """Compile every library."""
    sources = sorted(map(str, SOURCES.glob("*.c")))
    for name, architecture in LEVELS.items():
        out = SOURCES / f"_kernels-{name}.so"
        subprocess.run([*compiler, *FLAGS, f"-march={architecture}", *sources, "-o", str(out)], check=True)


if __name__ == "__main__":
    compile_all(sys.argv[1:] or ["cc"])
