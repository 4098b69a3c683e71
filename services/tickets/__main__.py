"""Runs this service, `python -m services.tickets`, or looks what is wrong: `doctor`."""

import sys

from services.tickets import app

if sys.argv[1:] == ["doctor"]:
    from chassis import doctor

    sys.exit(doctor.run("tickets", app.settings))
app.main()
