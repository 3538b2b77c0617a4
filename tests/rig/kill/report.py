"""What a run has done and found."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .oracle import Verdict

SHOWN_MAX = 40


@dataclass
class Report:
    """Counts of one run."""

    seed: int
    form: str
    store_on: str = "none"
    seconds: float = 0.0
    actions: Counter[str] = field(default_factory=Counter)
    # How actions ended that can end in more than one right way.
    outcomes: Counter[str] = field(default_factory=Counter)
    unavailable: dict[str, str] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    partitions: int = 0
    subscriptions: int = 0
    starts: int = 0
    reads: int = 0
    checks: int = 0
    totals_compared: int = 0
    records_judged: int = 0
    judged: dict[str, Any] = field(default_factory=dict)
    wrong_totals: int = 0
    wrong: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def add(self, verdict: Verdict) -> None:
        """Counts a check."""
        self.checks += 1
        self.totals_compared += verdict.totals
        self.records_judged = verdict.records
        self.judged = verdict.judged
        self.wrong_totals += len(verdict.wrong)
        lines = [f"after {verdict.after}: {line}" for line in verdict.wrong]
        self.wrong += lines[: max(SHOWN_MAX - len(self.wrong), 0)]

    def passed(self) -> bool:
        """Nothing was wrong, and something was compared."""
        return not self.wrong_totals and not self.failures and self.totals_compared > 0

    def to_json(self) -> str:
        """The report for programs."""
        told = {name: value for name, value in vars(self).items() if name != "begun"}
        return json.dumps(told | {"passed": self.passed()}, indent=1)

    def __str__(self) -> str:
        rejected = self.judged.get("rejected_total", 0)
        parts = [
            f"kill rig, {self.form}, seed {self.seed}: {'passed' if self.passed() else 'FAILED'}",
            f"  {self.seconds:.0f} s, store on {self.store_on}, {self.starts} starts",
            f"  actions: {_counts(self.actions)}",
            f"  outcomes: {_counts(self.outcomes)}",
            f"  written: {_counts(self.written)}",
            f"  judged at the end: {self.records_judged} records in {self.partitions} partitions, "
            f"{self.judged.get('accepted', 0)} events, {self.judged.get('duplicate', 0)} copies, "
            f"{rejected} rejected",
            f"  {self.reads} reads in between, {self.checks} checks, {self.totals_compared} totals "
            f"of {self.subscriptions} subscriptions compared, {self.wrong_totals} wrong",
        ]
        parts += [f"  not available: {name}: {why}" for name, why in self.unavailable.items()]
        parts += [f"  wrong: {line}" for line in self.wrong]
        parts += [f"  failure: {line}" for line in self.failures]
        return "\n".join(parts)


def _counts(counts: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
