"""The gate: who comes in. By its token, on a coordinator of one machine; by the key that signed the request, on any other.

Doesn't know what is asked, or whether whoever asks may: only that they are who they say.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, final
from urllib.parse import urlsplit

from atoll.identity import IdentityError, Nonces, Proof, PublicKey, Verifier, read_signature
from atoll.service.coordinator._access import Access
from atoll.service.coordinator._principals import LOCAL, Principal
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._run_keys import RunKeys

_LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whose request it is, and what they signed of its body; `proof` None: nothing was signed, nor has to be."""

    who: Principal
    proof: Proof | None = None

    def check(self, body: bytes) -> None:
        """Whether that is the body which was signed. Raises `IdentityError`."""
        if self.proof is not None:
            self.proof.check(body)

    def check_length(self, scope: Any) -> None:
        """Whether a body comes that is as long as was signed: what is in it has digests of its own. Raises `IdentityError`."""
        if self.proof is not None:
            told = scope.headers.get("content-length") or ""
            self.proof.check_length(int(told) if told.isdecimal() else -1)


class Gate(Protocol):
    """How a coordinator knows who comes."""

    audience: str  # the id of the key that requests have to be signed for; "" when they need not be signed

    def admit(self, scope: Any) -> Admitted:
        """Who makes a request. Raises `Refusal` and `IdentityError` for whoever can't show it."""
        ...

    def staying(self, who: Principal) -> contextlib.AbstractContextManager[None]:
        """While this is open, a request of theirs waits: it ends with a refusal when they aren't welcome any more."""
        ...


@final
class TokenGate:
    """Lets in whoever has the coordinator's token. `local`: only names of this machine are answered to."""

    audience = ""

    def __init__(self, token: str, *, local: bool) -> None:
        self._token, self._local = f"Bearer {token}".encode(), local
        self._hosts: set[str] = set()  # that were found to be names of this machine

    def admit(self, scope: Any) -> Admitted:
        """The coordinator's owner. Raises `Refusal` (`request.no-token`, `request.bad-host`, `request.bad-origin`)."""
        headers = scope.headers
        if self._local:
            self._admit_here(scope.authority or headers.get("host") or "", headers.get("origin"))
        given = (headers.get("authorization") or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._token):
            mend = "its token lies in the coordinator's home, in the file `token`: --token-file FILE"
            raise Refusal(401, "request.no-token", "the request has no token, or a wrong one", mend)
        return OWNER

    def staying(self, who: Principal) -> contextlib.AbstractContextManager[None]:
        """Whoever has the token stays."""
        return contextlib.nullcontext()

    def _admit_here(self, host: str, origin: str | None) -> None:
        """No page of another site talks to this machine through its user's browser."""
        if host not in self._hosts:
            if _named(host) not in _LOCAL:
                message = f"this coordinator is not {host!r:.80}"
                raise Refusal(403, "request.bad-host", message, "use 127.0.0.1")
            if len(self._hosts) < 100:
                self._hosts.add(host)
        if origin and _netloc(origin) != host:
            raise _bad_origin(origin)


OWNER = Admitted(LOCAL)


@final
class SignatureGate:
    """Lets in whoever signs with a key that is known: a member's of a federation, a run's, the coordinator's own host's."""

    def __init__(
        self,
        audience: str,
        access: Access,
        keys: RunKeys,
        *,
        now: Callable[[], float],
        begun: float | None = None,
    ) -> None:
        assert access.rosters is not None
        self.audience, self._access, self._rosters, self._keys = audience, access, access.rosters, keys
        nonces = Nonces(now() if begun is None else begun)
        self._verifier = Verifier(audience, now, nonces, self._key)
        self._staying: dict[str, set[asyncio.Task[Any]]] = {}
        self._ended: set[asyncio.Task[Any]] = set()
        self._rosters.changed.append(self._changed)

    def admit(self, scope: Any) -> Admitted:
        """Who signed. Raises `IdentityError`, and `Refusal` (`request.bad-origin`)."""
        if origin := scope.headers.get("origin"):
            raise _bad_origin(origin)
        presented = read_signature(scope.headers)
        proof = self._verifier.check(presented, scope.method, scope.path, scope.query_string)
        return Admitted(self._principal(proof.id), proof)

    @contextlib.contextmanager
    def staying(self, who: Principal) -> Iterator[None]:
        """While it waits, a request ends when its maker lost something: they ask again, if they still may."""
        task = asyncio.current_task()
        assert task is not None
        ids = {who.id, self._keys.lender(who.id)} - {""}
        for id in ids:
            self._staying.setdefault(id, set()).add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            self._principal(who.id)
            raise Refusal(503, "identity.changed", "your roles have changed", "ask again", retry=1) from None
        finally:
            self._ended.discard(task)
            for id in ids:
                self._leave(id, task)

    # -- inside --------------------------------------------------------------------------------------------------

    def _key(self, id: str) -> PublicKey | None:
        return self._rosters.key(id) or self._keys.key(id) or self._access.trusted_key(id)

    def _principal(self, id: str) -> Principal:
        """Who has a key: it is known, and whoever asks has proved to have it."""
        if (own := self._access.trusted(id)) is not None:
            return own
        if (program := self._keys.principal(id)) is not None:
            return program
        if self._rosters.key(id) is not None:
            self._rosters.stands(id)
            for member in self._rosters.memberships(id).values():
                return Principal(id, member.kind, member.name)
        raise IdentityError(
            "identity.unknown-key", f"nobody here has the key {id}", "ask an administrator for an invitation"
        )

    def _changed(self, id: str) -> None:
        for task in self._staying.pop(id, ()):
            self._ended.add(task)
            task.cancel()

    def _leave(self, id: str, task: asyncio.Task[Any]) -> None:
        tasks = self._staying.get(id)
        if tasks is not None:
            tasks.discard(task)
            if not tasks:
                del self._staying[id]


def _bad_origin(origin: str) -> Refusal:
    message = f"a page of {origin!r:.80} may not ask here"
    return Refusal(403, "request.bad-origin", message, "ask from outside a browser")


def _named(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
