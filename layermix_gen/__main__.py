"""The entry point of the command line: `layermix-gen`, or `python -m layermix_gen`."""

import os
import sys

from layermix_gen.support.interrupts import INTERRUPTED, end_quietly


def run() -> None:
    """Run the command line, with Ctrl-C handled from the start and all standard streams open."""
    _open_streams()
    end_quietly()  # where a command does not handle it
    from layermix_gen.cli import main

    try:
        main()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # at once, as another signal would show in what Python does at its end
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise


def _open_streams() -> None:
    """Open closed standard streams on the null device: else the next file, perhaps a tar, would take their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


if __name__ == "__main__":  # workers import this file too
    run()
