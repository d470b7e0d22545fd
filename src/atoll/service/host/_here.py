"""A server app on the user's own machine, in this very process: `breakpoint()` works, and the sources are the user's.

Doesn't know who watches.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from atoll.app import Watch, read_project
from atoll.journal import History
from atoll.service.host._attempt import attend
from atoll.wire import Client


def drive_here(
    client: Client, run: str, folder: str | Path, watch: Watch | None = None, *, objects: Path | None = None
) -> History:
    """Drive a run with the server app in a folder, to its end; ^C stops it. Raises what the server app raises.

    `objects`: the coordinator's own, when they lie on this machine.
    """
    server = read_project(folder).server_app()
    with tempfile.TemporaryDirectory(prefix="atoll-", ignore_cleanup_errors=True) as cache:
        attempt = attend(client, run, where="here", cache=Path(cache), beside=objects)
        attempt.run(server, watch=watch)
        return History.of(attempt.journal, run)
