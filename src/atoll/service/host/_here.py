"""A server app on the user's own machine, in this very process: `breakpoint()` works, and the sources are the user's.

Doesn't know who watches.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
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
    with (
        _driving(client, run) as driver,
        tempfile.TemporaryDirectory(prefix="atoll-", ignore_cleanup_errors=True) as cache,
    ):
        attempt = attend(driver, run, where="here", cache=Path(cache), beside=objects)
        attempt.run(server, watch=watch)
        return History.of(attempt.journal, run)


@contextlib.contextmanager
def _driving(client: Client, run: str) -> Iterator[Client]:
    """Who drives the run: whoever may do so by the coordinator's token, else a key that its user lends that right."""
    if not client.address.key:
        yield client
        return
    from atoll.service.host._lending import Lending, bare

    lending = Lending(client, run)
    driver = Client(bare(client.address), agent="atoll", key=lending.key)
    try:
        yield driver
    finally:
        driver.close()
        lending.end()
