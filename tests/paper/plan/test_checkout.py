"""The commit in a run's record: there wherever it is available, and where it is not, the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from uhn.paper.runs import checkout

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands for the checkout, without what the user's own settings of git allow."""
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    checkout.commit.cache_clear()
    yield tmp_path
    checkout.commit.cache_clear()


def make(root: Path) -> str:
    """Make a repository with one commit there; return its name."""
    (root / "file").write_text("text")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


@needs_git
def test_a_repository_gives_its_commit_and_whether_files_changed(root: Path) -> None:
    name = make(root)
    (root / "another").write_text("not tracked")
    assert checkout.commit() == {"commit": name, "dirty": False}
    assert checkout.in_words(checkout.commit()) == f"commit {name}"
    (root / "file").write_text("changed")
    checkout.commit.cache_clear()
    assert checkout.commit() == {"commit": name, "dirty": True}
    assert checkout.in_words(checkout.commit()) == f"commit {name} (with changes that were not committed)"


@needs_git
def test_a_repository_of_another_owner_gives_its_commit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: git then refuses, which was recorded as no commit and no changes."""
    name = make(root)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    refused = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
    assert refused.returncode and "dubious ownership" in refused.stderr
    assert checkout.commit() == {"commit": name, "dirty": False}


def unknown(why: str) -> dict[str, object]:
    return {"commit": None, "dirty": None, "unknown": why}


def test_an_unpacked_archive_says_that_there_is_no_repository(root: Path) -> None:
    assert checkout.commit() == unknown("no git repository")
    assert checkout.in_words(checkout.commit()) == "no commit (no git repository)"


@needs_git
def test_a_repository_further_up_is_another_projects(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(root)
    (root / "inside").mkdir()
    monkeypatch.setattr(checkout, "ROOT", root / "inside")
    assert checkout.commit() == unknown("no git repository")


def test_a_machine_without_git_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / ".git").mkdir()
    monkeypatch.setenv("PATH", str(root))
    assert checkout.commit() == unknown("git is not installed")


@needs_git
def test_a_damaged_repository_says_what_failed_and_names_no_path(root: Path) -> None:
    make(root)
    (root / ".git/HEAD").write_text("nothing")
    assert checkout.commit() == unknown("git rev-parse failed with exit code 128")


@needs_git
def test_a_commit_without_an_answer_about_changes_is_not_called_clean(root: Path) -> None:
    make(root)
    (root / ".git/index").write_text("nothing")
    assert checkout.commit() == unknown("git status failed with exit code 128")


def test_records_of_before_said_no_reason() -> None:
    assert checkout.in_words({"commit": None, "dirty": False}) == "no commit (not recorded why)"
