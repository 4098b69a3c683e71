"""Runs this service, `python -m services.activity`, or with a verb one of its tools."""

import sys
from functools import partial

from chassis.starting import told
from services.activity import app, tools

if sys.argv[1:] == ["doctor"]:
    from chassis import doctor

    sys.exit(doctor.run("activity", app.settings))
if len(sys.argv) > 1:
    sys.exit(tools.run(sys.argv[1:], partial(told, "activity", app.settings)))
app.main()
