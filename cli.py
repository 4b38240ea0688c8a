"""Run the command line from a checkout."""

from layermix_gen.cli import main

main()
