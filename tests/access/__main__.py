"""`python -m tests.access docs` writes docs/access.md."""

import sys

from tests.access.page import PAGE, page

if sys.argv[1:] != ["docs"]:
    sys.exit(__doc__)
PAGE.write_text(page(), encoding="utf-8")
