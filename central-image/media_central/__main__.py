"""`python -m media_central` is the command `central`."""

import sys

from media_central.cli import main

sys.exit(main())
