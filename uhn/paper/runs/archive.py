"""The small files of many runs in two: ``records.jsonl``, a record per line, and ``histories.csv``.

A record keeps its checksum and the digest of its history, so that both are checked as those of a run's folder are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from uhn.files import write_together
from uhn.records import RECORD, to_text

RECORDS, HISTORIES = "records.jsonl", "histories.csv"
HISTORY, ACCEPTED = "history.csv", "accepted.json"

RUN_FILES = (RECORD, HISTORY, ACCEPTED)
"""What is kept of a run: text; weights stay in the cache."""

Files = Mapping[str, bytes]
"""Content of a run's small files by their names."""


def read_archive(folder: Path) -> dict[str, Files]:
    """The archived runs below ``folder`` by name; none if there is no archive.

    Raises:
        ValueError: naming the file and line that cannot be read.
    """
    return parse_archive(folder, *archive_texts(folder))


def archive_texts(folder: Path) -> tuple[str, str]:
    """What stands in the two files of the archive below ``folder``; nothing where there is no archive."""
    if not (folder / RECORDS).is_file():
        return "", ""
    histories = folder / HISTORIES
    rows = histories.read_text(encoding="utf-8") if histories.is_file() else ""
    return (folder / RECORDS).read_text(encoding="utf-8"), rows


def parse_archive(folder: Path, records: str, rows: str) -> dict[str, Files]:
    """As :func:`read_archive`, from what stands in its files."""
    path, histories = folder / RECORDS, _histories(rows)
    found: dict[str, Files] = {}
    for number, line in enumerate(records.splitlines(), 1):
        try:
            kept = json.loads(line)
            name = str(kept["record"]["name"])
            files = {RECORD: to_text(kept["record"]).encode()}
            if "accepted" in kept:
                files[ACCEPTED] = to_text(kept["accepted"]).encode()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: wanted the record of a run, got {error!r:.100}") from None
        if name in found:
            raise ValueError(f"{path}, line {number}: wanted every run once, got {name} again")
        found[name] = files | ({HISTORY: histories[name]} if name in histories else {})
    return found


def write_archive(folder: Path, runs: Mapping[str, Files]) -> None:
    """Write both files, runs in order of name: all of it, or nothing."""
    lines, head, rows = [], "", list[str]()
    for name, files in sorted(runs.items()):
        parts = {"record": RECORD, "accepted": ACCEPTED}
        kept = {key: json.loads(files[file]) for key, file in parts.items() if file in files}
        lines.append(json.dumps(kept, sort_keys=True, separators=(",", ":")) + "\n")
        if HISTORY in files:
            first, *rest = files[HISTORY].decode().splitlines()
            if head not in ("", f"run,{first}\n"):
                raise ValueError(f"{name}: wanted a history with the columns {head.strip()}, got {first}")
            head = f"run,{first}\n"
            rows += [f"{name},{row}\n" for row in rest]
    write_together({folder / RECORDS: "".join(lines), folder / HISTORIES: head + "".join(rows)})


def _histories(text: str) -> dict[str, bytes]:
    """The content of each run's history, as it was written."""
    head, *rows = text.splitlines() or [""]
    found: dict[str, list[str]] = {}
    for row in rows:
        name, _, rest = row.partition(",")
        found.setdefault(name, [head.partition(",")[2]]).append(rest)
    return {name: "".join(f"{line}\n" for line in lines).encode() for name, lines in found.items()}
