"""`atoll run --on NAME --check`: what every node says of the app.

Doesn't look itself; the nodes do.
"""

from __future__ import annotations

import msgspec

from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import count
from atoll.wire import Checked

UNFIT = 5  # the exit code


def tell(checked: Checked, app: str, out: Output) -> int:
    """Show it; exit 5 when a node can't run the app, or there is none."""
    fit = [r for r in checked.results if not r.problems]
    all_fit = bool(fit) and len(fit) == len(checked.results)
    out.document(
        "atoll.check/1", {"fit": all_fit, "nodes": msgspec.to_builtins(checked.results), "away": checked.away}
    )
    for result in checked.results:
        word = out.paint("fit  ", "green") if not result.problems else out.paint("UNFIT", "red")
        versions = "  ".join(f"{n} {v}" for n, v in result.versions.items())
        out.line(f"{word}  {result.name}  {out.paint(versions, 'dim')}  {', '.join(result.data)}".rstrip())
        for problem in result.problems:
            out.line(f"         {problem.message}")
            if problem.mend:
                out.line(f"         {out.paint('mend: ', 'dim')}{problem.mend}")
    for name in checked.away:
        out.line(f"{out.paint('away ', 'yellow')}  {name}")
    out.line()
    if all_fit:
        out.line(out.paint(f"{count(len(fit), 'node')} can run {app}", "green"))
    elif not checked.results:
        out.line(out.paint("no node is there", "red"))
    else:
        out.line(
            out.paint(
                f"{len(checked.results) - len(fit)} of {count(len(checked.results), 'node')} can't run {app}",
                "red",
            )
        )
    return 0 if all_fit else UNFIT
