"""A daemon's credential, renewed at half its life, at a moment of its own so that not all come at once.

Doesn't know whose it is. Waits on the client's end, so that it ends with it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from atoll.values import AtollError
from atoll.wire._backoff import Backoff
from atoll.wire._client import Client
from atoll.wire._identity_messages import Me

LONGEST = 86_400.0  # seconds between two renewals at most: a clock that was set right is noticed


def keep_renewed(client: Client, warn: Callable[[str], None], *, chance: random.Random | None = None) -> None:
    """Renew the credential of a client's key as long as the client is open, on a thread of its own."""
    random_ = chance or random.Random()
    threading.Thread(target=_renew, args=(client, warn, random_), name="renewal", daemon=True).start()


def _renew(client: Client, warn: Callable[[str], None], chance: random.Random) -> None:
    backoff, told = Backoff(chance), ""
    while not client.closing.is_set():
        try:
            me = client.call("POST", "/v1/me/renew", None, Me)
        except AtollError as error:
            if client.closing.is_set():
                return
            if error.code != told:
                warn(f"the credential can't be renewed; trying on: {error.message}; {error.mend}")
            told, pause = error.code, max(1.0, backoff.next())
        else:
            backoff, told, pause = Backoff(chance), "", pause_of(me, chance)
        if client.closing.wait(pause):
            return


def pause_of(me: Me, chance: random.Random) -> float:
    """Seconds until the next renewal: somewhat before half of what is left."""
    left = me.expires - me.time if me.expires else 2 * LONGEST
    return min(LONGEST, max(0.1, left / 2 * chance.uniform(0.8, 1.0)))
