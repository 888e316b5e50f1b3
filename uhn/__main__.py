"""``python -m uhn`` is the command ``uhn``."""

from uhn.cli import main

raise SystemExit(main())
