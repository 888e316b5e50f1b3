"""``python -m uhn`` is the command ``uhn``."""

from uhn.paper.cli import main

raise SystemExit(main())
