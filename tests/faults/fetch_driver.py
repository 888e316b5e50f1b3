"""A process that fetches in children of its own, one per line of input, so that a test may kill them.

It imports once and has one thread, so a child costs a fork. A line is JSON: the data root and the server's address.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from farm_data import toy

from uhn.tasks import DATASETS
from uhn.tasks.fetch import download, mirrors


def main() -> None:
    """Fork for every line; print the child's number and, after another line, what became of it."""
    download.reachable = lambda url: True  # type: ignore[assignment]
    download.BACKOFF_S = 0.0
    while line := sys.stdin.readline():
        root, url = json.loads(line)
        if (child := os.fork()) == 0:
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
                DATASETS["toy"] = toy(url)  # type: ignore[index]
                mirrors.fetch("toy", Path(root), mirror="")
            except (KeyboardInterrupt, SystemExit):
                os._exit(3)
            os._exit(0)
        print(child, flush=True)
        sys.stdin.readline()  # until then its number is its own, ended or not
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
