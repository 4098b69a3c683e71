"""Runs the command: `counterfoil`, `bin/counterfoil` or `python -m client`."""

from client.admins import main


def run() -> None:
    """Run what the command line says."""
    main(prog_name="counterfoil", complete_var="_COUNTERFOIL_COMPLETE")


if __name__ == "__main__":
    run()
