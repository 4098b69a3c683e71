"""python -m tests.full DATA MANY: fill the desk whose data lie there, as `python -m services` made it, with tickets."""
