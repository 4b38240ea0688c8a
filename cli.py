"""Run the command line from a checkout."""

from layermix_gen.__main__ import run

if __name__ == "__main__":  # workers import this file too
    run()
