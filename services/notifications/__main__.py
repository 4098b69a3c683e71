"""Runs this service, `python -m services.notifications`, or with a verb one of its tools."""

import sys

from services.notifications import app, tools

if sys.argv[1:] == ["doctor"]:
    from chassis import doctor

    sys.exit(doctor.run("notifications", app.settings, app.look_at_mail))
if len(sys.argv) > 1:
    sys.exit(tools.run(sys.argv[1:], app.settings))
app.main()
