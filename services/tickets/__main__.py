"""Runs this service: `python -m services.tickets`."""

from services.tickets.app import main

main()
