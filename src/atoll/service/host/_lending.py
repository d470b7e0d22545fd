"""The key of one attempt at a run: made here, lent the right to drive it, and lent it again before that ends.

Doesn't know what drives it. Where the coordinator knows nobody by a key there is none, and its token serves.
"""

from __future__ import annotations

import contextlib
import threading

from atoll.identity import Key, to_base64
from atoll.values import AtollError
from atoll.wire import Address, Client, LendKey, RunKey


class Lending:
    """From here to its end a key drives a run. Raises `AtollError` when the coordinator won't have that."""

    def __init__(self, client: Client, run: str) -> None:
        self.key = Key.make()
        self._client, self._path = client, f"/v1/runs/{run}/key"
        self._over = threading.Event()
        lent = self._lend()
        threading.Thread(target=self._keep, args=(lent.seconds,), name=f"key of {run}", daemon=True).start()

    @property
    def seed(self) -> str:
        """What the key grows from: for the program alone, and never written down."""
        return to_base64(self.key.seed)

    def end(self) -> None:
        """Lend it no more."""
        self._over.set()

    def _lend(self) -> RunKey:
        return self._client.call("POST", self._path, LendKey(key=self.key.public.text), RunKey)

    def _keep(self, seconds: float) -> None:
        """Lend it again at half of its time, until the coordinator refuses: the run has ended, or is another's."""
        with contextlib.suppress(AtollError):
            while not self._over.wait(seconds / 2):
                seconds = self._lend().seconds


def bare(address: Address) -> Address:
    """Where the coordinator is, without the key that is known there: a program has one of its own."""
    return Address(address.url, token=address.token, ca=address.ca, audience=address.audience)
