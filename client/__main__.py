"""Runs the command: `python -m client`, or `bin/counterfoil`."""

from client.files import main

main(prog_name="counterfoil", complete_var="_COUNTERFOIL_COMPLETE")
