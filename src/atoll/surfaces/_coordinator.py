"""A client of a place's coordinator, for as long as it is needed.

Doesn't know what is asked. A user's credential is renewed by the way, when half of its time is over.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from msgspec.structs import replace

from atoll.surfaces._places import Place, Places
from atoll.values import AtollError
from atoll.wire import Client

PATIENCE = 15.0  # seconds for a coordinator that doesn't answer


@contextlib.contextmanager
def talking_to(place: Place) -> Iterator[Client]:
    """A client that is closed afterwards. Its calls raise `Refused` and `Unreachable`."""
    client = Client(place.address(), agent="atoll", patience=PATIENCE)
    try:
        renew(client, place)
        yield client
    finally:
        client.close()


def renew(client: Client, place: Place) -> None:
    """Renew the credential of a place's key, if it is time to; what is asked then tells whether that has failed."""
    if not place.key or not 0 < place.renew <= time.time():
        return
    from atoll.wire import Me

    with contextlib.suppress(AtollError):
        me = client.call("POST", "/v1/me/renew", None, Me)
        places = Places.load()
        for name, known in places.contexts.items():
            if known.key == place.key:
                places.contexts[name] = replace(known, renew=half_life(me.expires))
        places.save()


def half_life(expires: float) -> float:
    """When a credential that ends then is to be renewed."""
    now = time.time()
    return now + (expires - now) / 2 if expires else 0.0
