"""`python -m overfly`."""

from overfly.cli import main

main(prog_name="overfly")
