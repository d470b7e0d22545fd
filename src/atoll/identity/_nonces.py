"""Remembers which nonces were used, as long as the requests that carry them could come again.

Doesn't know what was asked, nor whether it was signed: only a request that was checked may be remembered, so
that nobody but the holders of known keys takes room here.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from threading import Lock
from typing import final

from atoll.identity._errors import IdentityError

WINDOW = 60  # seconds by which a request's time may differ from the coordinator's, either way
_SLICE = 8  # seconds whose nonces are forgotten together


@final
class Nonces:
    """A bounded memory of nonces in slices of time; may be used by several threads.

    `begun`: when this memory began (seconds since 1970), two seconds or more after the one before it: that one may
    have taken requests whose time lay `WINDOW` ahead. `most`: nonces remembered at all, `per_key` for one key, at
    some 100 bytes each. A full memory takes no new request rather than forget an old one.
    """

    def __init__(self, begun: float, *, most: int = 1_000_000, per_key: int = 200_000) -> None:
        self.floor = int(begun) + WINDOW + 1  # what was made before may have been taken already
        self._most, self._per_key = most, per_key
        self._slices: dict[int, set[int]] = {}
        self._used: dict[int, Counter[str]] = {}  # by slice and key
        self._secret = os.urandom(16)  # nobody can make two requests look alike on purpose
        self._lock = Lock()

    def __len__(self) -> int:
        return sum(map(len, self._slices.values()))

    def take(self, key: str, nonce: bytes, *, created: int, now: float) -> None:
        """Remember a nonce that a key used in a request made at `created`; returns when it is new.

        Raises `IdentityError` (`request.replayed`, `request.too-many`).
        """
        mark, at = self._mark(key, nonce), created // _SLICE
        with self._lock:
            self._forget((int(now) - WINDOW) // _SLICE)
            if created < self.floor or mark in self._slices.get(at, ()):
                raise IdentityError("request.replayed", "this very request was made before", "sign it anew")
            self._check_room(key)
            self._slices.setdefault(at, set()).add(mark)
            self._used.setdefault(at, Counter())[key] += 1

    def _mark(self, key: str, nonce: bytes) -> int:
        """64 bits of a keyed hash: a full memory refuses an honest request once in 10^13."""
        text = b"%s\n%s" % (key.encode(), nonce)
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=self._secret).digest(), "big")

    def _forget(self, first: int) -> None:
        """Let go of the slices before the first whose requests aren't stale. A clock set back brings none back."""
        if first * _SLICE <= self.floor:
            return
        self.floor = first * _SLICE
        for at in [at for at in self._slices if at < first]:
            del self._slices[at], self._used[at]

    def _check_room(self, key: str) -> None:
        if len(self) < self._most and sum(used[key] for used in self._used.values()) < self._per_key:
            return
        message = "more requests came than can be told apart"
        raise IdentityError("request.too-many", message, "ask less often: it passes within two minutes")
