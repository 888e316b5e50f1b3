"""With Snakemake's default storage, the commands' names are those of the storage's local copies."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from uhn.files import write_atomically
from uhn.paper.config import ConfigError
from uhn.paper.runs.storage import link_to_storage

NAMES = ("results/smoke", "results/report.html", "work/receipts")


def test_what_a_command_writes_is_where_the_storage_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = SimpleNamespace(
        default_storage_provider="s3", default_storage_prefix="s3://bucket/some/path", local_storage_prefix=".store"
    )
    for _ in range(2):  # the workflow is read by each of its processes
        link_to_storage(settings, NAMES)
    for name in ("results/smoke/runs/a/metrics.json", "results/report.html", "work/receipts/mnist.json"):
        write_atomically(Path(name), name)
        assert (Path(".store/s3/bucket/some/path") / name).read_text() == name
    settings.default_storage_prefix = "s3://other"
    with pytest.raises(ConfigError, match="wanted no results/smoke of this machine beside a storage"):
        link_to_storage(settings, NAMES)


def test_results_that_were_made_here_are_not_taken_for_the_storages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results/smoke").mkdir(parents=True)
    settings = SimpleNamespace(
        default_storage_provider="s3", default_storage_prefix="s3://bucket", local_storage_prefix=Path(".store")
    )
    with pytest.raises(ConfigError, match="move it away, or start in a clone of its own"):
        link_to_storage(settings, NAMES)
