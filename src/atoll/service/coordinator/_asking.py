"""Those who ask to be let in without an invitation: they show a code to an administrator, and wait.

Doesn't know who may agree. All of it is in memory: whoever asked asks again, with the same key, and has the same code.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
from dataclasses import dataclass, field
from typing import final

from atoll.identity import IdentityError, PublicKey, Signed
from atoll.service.coordinator._clock import Clock
from atoll.service.coordinator._refusals import Refusal
from atoll.wire import Waiting, code_of

TIME = 600.0  # seconds for which a request waits
MOST = 1_000  # requests at a time, of all who come
EACH = 4  # who wait for the answer to one


@dataclass(slots=True)
class Request:
    """Somebody who asks."""

    code: str
    key: PublicKey
    federation: str
    name: str
    expires: float
    proof: str = ""  # of the token by which an issuer vouches for the name
    issuer: str = ""
    grant: Signed | None = None
    seed: str = ""
    told: list[asyncio.Future[None]] = field(default_factory=list)

    def shown(self) -> Waiting:
        """As an administrator sees it."""
        return Waiting(
            code=self.code, key=self.key.text, name=self.name, expires=self.expires, issuer=self.issuer
        )

    def vouched(self, name: str, issuer: str, proof: str) -> None:
        """An issuer says who that is."""
        self.name, self.issuer, self.proof = name, issuer, proof


@final
class Asking:
    """All who ask."""

    def __init__(self, clock: Clock, audience: str) -> None:
        self._clock, self._audience = clock, audience
        self._secret = os.urandom(32)
        self._requests: dict[tuple[str, str], Request] = {}  # by federation and code
        self._ending = False

    def nobody(self, federation: str) -> str:
        """What passes for the root of a federation that there isn't: whoever asks can't tell, and waits in vain."""
        digest = hmac.digest(self._secret, federation.encode(), "sha256")[:20]
        return "k-" + base64.b32encode(digest).decode().lower()

    def ask(self, federation: str, root: str, key: PublicKey, name: str) -> Request:
        """The request of a key; the same one while it waits. Raises `Refusal` (`identity.too-many`)."""
        now, code = self._clock.time(), code_of(key, self._audience, root)
        for at in [at for at, r in self._requests.items() if r.expires <= now]:
            self._requests.pop(at)
        known = self._requests.get((federation, code))
        if known is not None and known.key == key:
            if not known.issuer:  # else it is the issuer who says the name
                known.name = name or known.name
            return known
        if len(self._requests) >= MOST:
            message = f"{MOST:,} others ask to be let in just now"
            raise Refusal(429, "identity.too-many", message, "ask for an invitation's link instead", retry=60)
        made = Request(code, key, federation, name, now + TIME)
        self._requests[federation, code] = made
        return made

    def told(self, federation: str, key: PublicKey, proof: str) -> Request | None:
        """The request of a key that came with that token."""
        now = self._clock.time()
        found = (r for (name, _), r in self._requests.items() if name == federation and r.expires > now)
        return next((r for r in found if r.key == key and r.proof == proof), None)

    def of(self, federation: str) -> list[Waiting]:
        """Those whom nobody has answered."""
        now = self._clock.time()
        found = (r for r in self._requests.values() if r.federation == federation)
        return [r.shown() for r in found if r.grant is None and r.expires > now]

    def find(self, federation: str, code: str) -> Request:
        """Who has that code. Raises `IdentityError` (`identity.no-request`)."""
        found = self._requests.get((federation, code))
        if found is None or found.expires <= self._clock.time():
            message = f"nobody who asks to join {federation} has the code {code}"
            raise IdentityError("identity.no-request", message, "they ask again: atoll login URL")
        return found

    def answer(self, request: Request, grant: Signed, seed: str) -> None:
        """An administrator has agreed."""
        request.grant, request.seed = grant, seed
        self._wake(request)

    async def answered(self, request: Request, seconds: float) -> None:
        """Return when it was answered, or after so many seconds."""
        if request.grant is not None or seconds <= 0 or self._ending or len(request.told) >= EACH:
            return
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        request.told.append(told)
        timer = self._clock.call_later(seconds, lambda: _tell(told))
        try:
            await told
        finally:
            timer.cancel()
            request.told.remove(told)

    def end(self) -> None:
        """Nobody waits any more."""
        self._ending = True
        for request in self._requests.values():
            self._wake(request)

    def _wake(self, request: Request) -> None:
        for told in request.told:
            _tell(told)


class Patience:
    """Those who took an invitation up and wait for an administrator to look at their key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._ending = False

    async def wait(self, id: str, seconds: float) -> None:
        """Return when something has changed for a key, or after so many seconds."""
        if seconds <= 0 or self._ending or len(self._waiting.get(id, ())) >= EACH:
            return
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(id, []).append(told)
        timer = self._clock.call_later(seconds, lambda: _tell(told))
        try:
            await told
        finally:
            timer.cancel()
            self._waiting[id].remove(told)
            if not self._waiting[id]:
                del self._waiting[id]

    def wake(self, id: str) -> None:
        """Something has changed for a key."""
        for told in self._waiting.get(id, ()):
            _tell(told)

    def end(self) -> None:
        """Nobody waits any more."""
        self._ending = True
        for id in self._waiting:
            self.wake(id)


def _tell(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
