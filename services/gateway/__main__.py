"""Runs this service, `python -m services.gateway`, or looks what is wrong: `doctor`."""

import sys

from services.gateway import app

if sys.argv[1:] == ["doctor"]:
    from chassis import doctor

    sys.exit(doctor.run("gateway", app.settings, app.look_at_the_entrance))
app.main()
