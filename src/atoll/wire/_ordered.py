"""What an order covers beside the bundle: one digest of all that decides what a worker does with it.

Doesn't know who signs it or who checks it. Both sides compute it of what they have in hand: the asker of the app, a node
of what the coordinator told it of the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from atoll.wire._daemon_messages import Needs, RunSpec

CHECK = (
    "check-"  # how the id of a preflight begins: its order begins no run, and a run's order is no preflight's
)
_FIRST = b"atoll/settings/1\n"


def settings_of_app(
    app: Mapping[str, Any], *, config: Mapping[str, Any], seed: int, threads: int, needs: Needs
) -> str:
    """The digest for an app, as a request to run it names it."""
    return _digest(
        client=str(app.get("client") or ""),
        server=str(app.get("server") or ""),
        data=str(app.get("data") or ""),
        partition=app.get("partition") or None,
        config=config,
        seed=seed,
        threads=threads,
        needs=needs,
    )


def settings_of_spec(spec: RunSpec) -> str:
    """The digest for a run, as its nodes are told of it."""
    return _digest(
        client=spec.client,
        server=spec.server,
        data=spec.data,
        partition=spec.partition or None,
        config=spec.config,
        seed=spec.seed,
        threads=spec.threads,
        needs=spec.needs,
    )


def _digest(**settings: Any) -> str:
    from atoll.identity import canonical  # slow to import, and only signed runs need it

    plain = msgspec.json.decode(msgspec.json.encode(settings))  # as it is when it has crossed the network
    return f"sha256:{hashlib.sha256(_FIRST + canonical(plain)).hexdigest()}"
