"""``python -m local_cluster``."""

from local_cluster.cli import main

raise SystemExit(main())
