"""Weighs figures against a peer, a ceiling and a bound, and shows them as a table or as one JSON document.

Does not know how a figure was measured, and fails nothing: a missed bound is printed, and the exit status is 0.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """One measured value, what it stands against, and the bound it should keep.

    `bound` is on `by`: the ratio value/other (default), the difference value-other, or the value itself.
    Without a bound the figure only informs.
    """

    name: str
    value: float
    unit: str
    against: str = ""
    other: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    by: Literal["ratio", "difference", "value"] = "ratio"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.other if self.other else None

    @property
    def weighed(self) -> float | None:
        """What the bound is laid on; None where there is nothing to compare with."""
        if self.by == "value":
            return self.value
        if self.other is None:
            return None
        return self.value - self.other if self.by == "difference" else self.ratio

    @property
    def verdict(self) -> Literal["reached", "missed", ""]:
        weighed = self.weighed
        if weighed is None or (self.at_most is None and self.at_least is None):
            return ""
        low = self.at_least is not None and weighed < self.at_least
        high = self.at_most is not None and weighed > self.at_most
        return "missed" if low or high else "reached"

    @property
    def bound(self) -> str:
        unit = {"ratio": "x", "difference": f" {self.unit} over", "value": f" {self.unit}"}[self.by]
        parts = [("<= ", self.at_most), (">= ", self.at_least)]
        return " and ".join(f"{sign}{limit:g}{unit}" for sign, limit in parts if limit is not None)


@dataclass
class Report:
    """The figures of one benchmark, shown as a table or as one JSON document."""

    bench: str
    figures: list[Figure] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def add(
        self, name: str, value: float, unit: str, against: str = "", other: float | None = None, **rest: Any
    ) -> None:
        self.figures.append(Figure(name, value, unit, against, other, **rest))

    def show(self, *, as_json: bool = False) -> None:
        """Prints the report on stdout; with `as_json`, one document and nothing else."""
        print(json.dumps(self.document(), indent=2) if as_json else self.table())

    def document(self) -> dict[str, Any]:
        rows = [{**asdict(f), "ratio": f.ratio, "bound": f.bound, "verdict": f.verdict} for f in self.figures]
        return {"schema": "atoll.bench/1", "bench": self.bench, "machine": machine(), "figures": rows} | (
            {"details": self.details} if self.details else {}
        )

    def table(self) -> str:
        head = ("figure", "value", "peer or ceiling", "its value", "ratio", "bound", "")
        rows = [head, *(_row(figure) for figure in self.figures)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        right = {1, 3, 4}
        lines = [
            "  ".join(
                c.rjust(w) if i in right else c.ljust(w)
                for i, (c, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        lines.insert(1, "-" * len(lines[0]))
        missed = sum(figure.verdict == "missed" for figure in self.figures)
        reached = sum(figure.verdict == "reached" for figure in self.figures)
        closing = f"{reached} reached, {missed} missed" if reached or missed else "no bounds: for information"
        return "\n".join([f"{self.bench}: {machine_line()}", *(line.rstrip() for line in lines), closing])


def _row(figure: Figure) -> tuple[str, ...]:
    other = "" if figure.other is None else _number(figure.other, figure.unit)
    ratio = "" if figure.ratio is None else f"{figure.ratio:.3g}x"
    last = figure.verdict.upper() if figure.verdict == "missed" else figure.verdict
    note = f"{last}  ({figure.note})" if figure.note else last
    return figure.name, _number(figure.value, figure.unit), figure.against, other, ratio, figure.bound, note


def _number(value: float, unit: str) -> str:
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{shown} {unit}".rstrip()


def machine() -> dict[str, Any]:
    """What was measured on: processor, cores this process may use, memory, versions, and how busy it was."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _processor(),
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def machine_line() -> str:
    m = machine()
    return (
        f"{m['cpu']}, {m['cores']} cores, {m['memory_gb']:g} GB, {m['system']}, "
        f"Python {m['python']}, load {m['load']}, {m['date']}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def arguments(description: str, *, times: int = 5) -> argparse.ArgumentParser:
    """The options that every benchmark has; a benchmark adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--times", type=int, default=times, help="runs of each (default: %(default)s)")
    return parser
