"""Runs this service, `python -m services.notifications`, or with a verb one of its tools."""

import sys
from functools import partial

from chassis.starting import told
from services.notifications import app, tools

if sys.argv[1:] == ["doctor"]:
    from chassis import doctor

    sys.exit(doctor.run("notifications", app.settings, app.look_at_mail))
if len(sys.argv) > 1:
    sys.exit(tools.run(sys.argv[1:], partial(told, "notifications", app.settings)))
app.main()
