"""Runs this service, `python -m services.notifications`, or with a verb one of its tools."""

import sys

from services.notifications import app, tools

if len(sys.argv) > 1:
    sys.exit(tools.run(sys.argv[1:], app.settings))
app.main()
