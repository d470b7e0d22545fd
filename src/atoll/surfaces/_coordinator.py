"""A client of a place's coordinator, for as long as it is needed.

Doesn't know what is asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from atoll.surfaces._places import Place
from atoll.wire import Client

PATIENCE = 15.0  # seconds for a coordinator that doesn't answer


@contextlib.contextmanager
def talking_to(place: Place) -> Iterator[Client]:
    """A client that is closed afterwards. Its calls raise `Refused` and `Unreachable`."""
    client = Client(place.address(), agent="atoll", patience=PATIENCE)
    try:
        yield client
    finally:
        client.close()
