"""`python -m media_operator`."""

from media_operator.cli import main

main()
