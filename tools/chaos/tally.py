"""Sums of many runs, as a Markdown table."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .cells import Outcome
from .run import Report


@dataclass
class Tally:
    """Counts by fault; a random run counts for each fault that struck in it."""

    runs: Counter[str] = field(default_factory=Counter)
    found: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    freeze: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    virtual: float = 0.0
    not_run: Counter[tuple[str, str]] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)

    def add(self, report: Report) -> None:
        """Count a run under "all" and under each fault that struck."""
        names = {item.rpartition(" in ")[0] for item in report.injected}
        for name in ("all", *sorted(names)):
            self.runs[name] += 1
            for kind in ("lost", "doubled", "left", "other"):
                self.found[name][kind] += bool(getattr(report, kind))
            self.found[name]["waits"] += bool(report.waits_for)
            if not report.waits_for:
                self.freeze[name] = max(self.freeze[name], report.freeze_seconds)
        if report.waits_for:
            self.waits[report.waits_for.partition(":")[0]] += 1
        else:
            self.virtual = max(self.virtual, report.virtual_seconds)

    def add_outcome(self, outcome: Outcome) -> None:
        """Count a cell, or that there was nothing to run."""
        if outcome.report is None:
            self.not_run[(outcome.cell.fault, outcome.why_not)] += 1
        else:
            self.add(outcome.report)

    @property
    def good(self) -> bool:
        """Whether no promise was broken."""
        return not any(self.found["all"][kind] for kind in ("lost", "doubled", "left", "other"))

    def table(self) -> str:
        """The numbers, and what was not run and why."""
        lines = [
            "| fault | n | lost | doubled | left over | other | waits for a person |"
            " longest freeze, s |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name in ["all", *[name for name in self.runs if name != "all"]]:
            found = self.found[name]
            cells = [
                name,
                self.runs[name],
                *[found[k] for k in ("lost", "doubled", "left", "other")],
            ]
            cells += [found["waits"], f"{self.freeze[name]:.1f}"]
            lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
        lines.append(f"\nlongest run that ended by itself: {self.virtual:.0f} virtual seconds")
        lines += [f"waits for a person: {reason}: {n}" for reason, n in sorted(self.waits.items())]
        lines += [
            f"not run: {fault}: {why}: {n}" for (fault, why), n in sorted(self.not_run.items())
        ]
        return "\n".join(lines)
