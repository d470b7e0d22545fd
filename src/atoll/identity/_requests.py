"""Signs a request and checks one, in the shape of RFC 9421 (HTTP message signatures).

Doesn't know a client or a server. Scheme and authority aren't signed: what ends TLS in front of a coordinator, and
keeps the path, passes a request on as it is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from atoll.identity._errors import IdentityError
from atoll.identity._keys import Key, PublicKey
from atoll.identity._nonces import WINDOW, Nonces
from atoll.identity._presented import AUDIENCE, Presented, base64_of, decoded, signed_text, written

_DAY = 86_400.0


class Stale(IdentityError):
    """A request was not made in this minute. `time` is what its maker's clock should have shown."""

    time: float


@final
@dataclass(frozen=True, slots=True)
class Proof:
    """Whose request it is: their signature was checked, and covers what it says of the body."""

    key: PublicKey
    id: str
    created: int
    digest: bytes | None
    length: int | None

    def check(self, body: bytes) -> None:
        """Whether this is the body that was signed; without a digest there is none.

        Raises `IdentityError` (`request.body-differs`).
        """
        if self.digest is None:
            same = not body
        else:
            same = hmac.compare_digest(hashlib.sha256(body).digest(), self.digest)
        if not same:
            raise _body_differs("the body is not the one that was signed")

    def check_length(self, length: int) -> None:
        """Whether a body of this length was signed for: enough where the body is an object, named by its digest.

        Raises `IdentityError` (`request.body-differs`).
        """
        if length != self.length:
            raise _body_differs(f"a body of {length:,} bytes is not what was signed")


@final
class Signer:
    """Signs the requests of one key to one coordinator: `audience` is the id of the coordinator's key.

    May be used by several threads.
    """

    def __init__(self, key: Key, audience: str, now: Callable[[], float]) -> None:
        self._key, self._id, self._audience, self._now = key, key.id, audience, now
        self._ahead = 0.0

    def headers(
        self, method: str, target: str, *, body: bytes = b"", length: int | None = None
    ) -> dict[str, str]:
        """What to add to a request: `target` is its path and query, as they travel.

        A body is hashed; an object's isn't: `length` is what its `Content-Length` will say.
        """
        added = {AUDIENCE: self._audience}
        if body:
            added["content-digest"] = f"sha-256=:{base64_of(hashlib.sha256(body).digest())}:"
        fields = added if length is None or body else {**added, "content-length": str(length)}
        path, _, query = target.partition("?")
        names = ("@method", "@path", "@query", *fields)
        covered = tuple((name, fields.get(name, "")) for name in names)
        parameters = self._parameters(names)
        base = signed_text(covered, parameters, method, written(decoded(path)), query)
        signature = f"atoll=:{base64_of(self._key.sign(base))}:"
        return {**added, "signature-input": f"atoll={parameters}", "signature": signature}

    def learn(self, time: float) -> None:
        """Take the coordinator's time, seconds since 1970, for what it is now: what comes with a stale request.

        Raises `IdentityError` (`request.wrong-clock`) when the two are more than a day apart: nobody on the way may
        have requests signed that are good in a year.
        """
        ahead = time - self._now()
        if not abs(ahead) <= _DAY:
            message = f"this machine's clock and the coordinator's are {abs(ahead) / 3600:,.0f} hours apart"
            raise IdentityError(
                "request.wrong-clock", message, "set the clock that is wrong: timedatectl tells"
            )
        self._ahead = ahead

    def _parameters(self, names: Sequence[str]) -> str:
        created, nonce = int(self._now() + self._ahead), secrets.token_urlsafe(16)
        listed = " ".join(f'"{name}"' for name in names)
        return f'({listed});created={created};nonce="{nonce}";keyid="{self._id}";tag="atoll"'


@final
class Verifier:
    """Checks that a request was made by a known key, for this coordinator, in this minute, and once.

    `find` tells the key of an id, None for those that aren't known; it takes the same time for both. A request of a
    key that isn't known costs what any other does.
    """

    def __init__(
        self, audience: str, now: Callable[[], float], nonces: Nonces, find: Callable[[str], PublicKey | None]
    ) -> None:
        self._audience, self._now, self._nonces, self._find = audience, now, nonces, find
        self._nobody = Key.make().public

    def check(self, request: Presented, method: str, path: str, query: str = "") -> Proof:
        """Who made a request. `path` is as the server understands it, with nothing percent-encoded; `query` as it came.

        Raises `IdentityError`: `request.malformed-signature`, `request.wrong-audience`, `identity.unknown-key`,
        `request.bad-signature`, `request.replayed`, `request.too-many`; and `Stale` (`request.stale`).
        """
        if request.audience != self._audience:
            message = f"the request is for the coordinator {request.audience}, and this is {self._audience}"
            raise IdentityError(
                "request.wrong-audience", message, "join this coordinator with an invitation of its own"
            )
        now = self._now()
        self._check_time(request.created, now)
        key = self._signer(request, request.text(method, path, query))
        self._nonces.take(request.key, request.nonce.encode(), created=request.created, now=now)
        return Proof(key, request.key, request.created, request.digest, request.length)

    def _check_time(self, created: int, now: float) -> None:
        floor = self._nonces.floor
        if not max(floor, now - WINDOW) <= created <= max(floor + 1, now + WINDOW):
            message = f"the request is of {created}, and the coordinator's clock shows {now:.0f}"
            error = Stale(
                "request.stale", message, "sign it anew, in the coordinator's time, which came along"
            )
            error.time = max(floor + 0.01, now)  # a hair more: the client takes whole seconds of it
            raise error

    def _signer(self, request: Presented, base: bytes) -> PublicKey:
        known = self._find(request.key)
        good = (known or self._nobody).verify(base, request.signature)
        if known is None:
            message = f"nobody here has the key {request.key}"
            raise IdentityError("identity.unknown-key", message, "ask an administrator for an invitation")
        if not good:
            message = f"the key {request.key} has not signed this request"
            mend = "sign method, path, query, audience and body as they are sent: does a proxy change them?"
            raise IdentityError("request.bad-signature", message, mend)
        return known


def _body_differs(message: str) -> IdentityError:
    return IdentityError(
        "request.body-differs", message, "send what was signed; a proxy must leave it as it is"
    )
