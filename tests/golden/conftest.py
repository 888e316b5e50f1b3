"""Prints how many golden values were compared."""

from __future__ import annotations

from golden_compare import PROPERTY


def pytest_terminal_summary(terminalreporter) -> None:
    counts = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if counts:
        terminalreporter.write_line(f"golden data: {sum(counts):,} values compared in {len(counts)} files")
