"""A machine's key that was changed while its daemon ran, or while somebody was killed who changed it.

Doesn't know who changes it: a command makes the new key beside the old one, tells the coordinator, and puts it in its place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from atoll.service._daemon import warn
from atoll.values import AtollError, sync_folder
from atoll.wire import Address, Client, Me

NEXT = "key-next.pem"  # a new key, until the coordinator has it
PATIENCE = 15.0  # seconds for a coordinator that doesn't answer


def key_of(address: Address) -> str:
    """The id of the key in an address's file; "" when it names none. Raises `IdentityError`."""
    if not address.key:
        return ""
    from atoll.identity import Key  # slow to import, and not wanted where there are no keys

    return Key.load(address.key).id


def going_on(address: Address, serve: Callable[[], BaseException | None], what: str) -> None:
    """Serve until that was asked to end (None). Raises why it can't go on, but with a new key it does."""
    while True:
        used = key_of(address)
        why = serve()
        if why is None:
            return
        if not has_new_key(address, used, why):
            raise why
        warn(f"this {what} has a new key, and goes on with it")


def has_new_key(address: Address, used: str, why: BaseException) -> bool:
    """Whether a daemon that was refused goes on: it is known by another key now than the one it used.

    A key that the coordinator knows already, and that was not put in its place yet, is put there.
    """
    if not used or getattr(why, "code", "") != "identity.unknown-key":
        return False
    key = Path(address.key)
    beside = key.with_name(NEXT)
    with contextlib.suppress(AtollError, OSError):  # it is not known, or in its place by now
        if beside.exists() and _is_known(replace(address, key=str(beside))):
            os.replace(beside, key)
            sync_folder(key.parent)
    return key_of(address) != used


def _is_known(address: Address) -> bool:
    client = Client(address, agent="atoll", patience=PATIENCE)
    try:
        return bool(client.call("GET", "/v1/me", None, Me).id)
    finally:
        client.close()
