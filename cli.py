"""Run the command line from a checkout."""

from layermix_gen.cli import main

if __name__ == "__main__":  # workers import this file too
    main()
