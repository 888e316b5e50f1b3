"""The findings on the paper's claims as Markdown and as data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from uhn.paper.report.claims import Claim, Finding
from uhn.paper.report.statistics import aggregate, percent, printed, significant


def shown(finding: Finding) -> str:
    """The number with its interval."""
    found = finding.interval
    if found is None:
        return "–"
    if finding.claim.ratio:
        return f"× {significant(found.middle)} [{significant(found.low)}, {_limit(found.high, significant)}]"
    return f"{_signed(found.middle)} [{_signed(found.low)}, {_signed(found.high)}] points"


def to_markdown(findings: Sequence[Finding], profile: str) -> str:
    """All findings as Markdown."""
    lines = [
        f"# The paper's claims: profile {profile}",
        "",
        "A claim counts as confirmed or contradicted only if its arms differ in nothing but what it is about and the "
        "95 % interval over seeds (over rows, where there are several) leaves no doubt.",
        "",
        "| Claim | Tables | Verdict | Result | Holds if | Seeds | Budget |",
        "| --- | --- | --- | --- | --- | ---: | --- |",
    ]
    for f in findings:
        seeds = "–" if f.interval is None else str(f.interval.seeds)
        shows = ", ".join(f.claim.tables)
        verdict, budget = f"**{f.verdict}**", f.budget
        if f.instead:  # a verdict on other models than the sentence's must not be read without them
            verdict += " at a smaller scale"
            budget += f", on {' and '.join(dict.fromkeys(arms.comparison.label for arms in f.arms))}"
        cells = (f.claim.sentence, shows, verdict, shown(f), limits(f.claim), seeds, budget)
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    for f in findings:
        reasons = [("unequal arms", f.unequal), ("no runs", f.missing), ("marks", f.notes)]
        told = "; ".join(f"{word}: {', '.join(what)}" for word, what in reasons if what)
        if told:
            lines.append(f"- *{f.claim.name}*: {told}.")
    lines += ["", *(line for f in findings for line in _arms(f))] if any(f.arms for f in findings) else []
    lines += ["", *dict.fromkeys(f"- {f.claim.threshold}" for f in findings if f.claim.threshold)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _arms(finding: Finding) -> list[str]:
    """A line per comparison: what each arm reached, and whether its models are smaller than the paper's."""
    where = " (at a smaller scale than the paper's)" if finding.instead else ""
    lines = []
    for arms in finding.arms:
        sides = []
        for source, values in zip((arms.comparison.first, arms.comparison.second), arms.values, strict=True):
            pick = "" if source.pick == "value" else f" ({source.pick.removeprefix('task:')})"
            sides.append(f"`{source.group}`{pick} {printed(aggregate(values), source.metric)}")
        lines.append(f"- *{finding.claim.name}*, {arms.comparison.label}{where}: {' against '.join(sides)}.")
    return lines


def limits(claim: Claim) -> str:
    form = significant if claim.ratio else _signed
    unit = "" if claim.ratio else " points"
    if math.isinf(claim.high):
        return f"≥ {form(claim.low)}{unit}"
    if math.isinf(claim.low) or (claim.ratio and claim.low == 0):
        return f"≤ {form(claim.high)}{unit}"
    return f"{form(claim.low)} to {form(claim.high)}{unit}"


def _signed(value: float) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "") + ("∞" if math.isinf(value) else percent(abs(value)))


def _limit(value: float, form: Callable[[float], str]) -> str:
    return "∞" if math.isinf(value) else form(value)
