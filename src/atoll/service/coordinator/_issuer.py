"""The issuer that vouches for names (OpenID Connect): its tokens are checked against its own keys, and each is good for one key.

Doesn't know who may come in: whoever has a name still needs an administrator's signature.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any, Protocol, final

import msgspec

from atoll.identity import IdentityError, PublicKey
from atoll.service.coordinator._clock import Clock
from atoll.service.coordinator._refusals import Refusal
from atoll.values import ConfigError
from atoll.wire import Issuer, IssuerError, discover, fetch_issuer

ALGORITHMS = ("RS256", "ES256", "EdDSA")  # never one that a public key could be the secret of
FRESH = 600.0  # seconds since a token was issued
LEEWAY = 60.0  # seconds by which the issuer's clock may differ
KEPT = 300.0  # seconds for which an issuer's keys are believed to be all
PAUSE = 10.0  # seconds between two looks for keys, at least
MOST = 10_000  # tokens that are remembered
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")


class Claims(msgspec.Struct, frozen=True):
    """What a token says (OpenID Connect Core 1.0, section 2)."""

    iss: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str | None = None
    azp: str | None = None
    nbf: float = 0.0
    email: str = ""
    email_verified: bool = False

    @property
    def audiences(self) -> list[str]:
        """Whom it is for."""
        return [self.aud] if isinstance(self.aud, str) else self.aud


class Vouching(Protocol):
    """Who knows names."""

    told: Issuer

    async def name(self, token: str, key: PublicKey) -> str:
        """The name of whoever has a key, when the token vouches for it. Raises `IdentityError`, `Refusal`."""
        ...


@final
class Oidc:
    """An issuer. Raises `ConfigError` (`oidc.not-installed`), `IssuerError` (`oidc.bad-issuer`)."""

    def __init__(self, told: Issuer, clock: Clock) -> None:
        self.told, self._clock, self._begun = told, clock, clock.time()
        self._keys = Keys(told.issuer, clock)
        self._spent: dict[
            str, tuple[str, float]
        ] = {}  # by the token's hash: the key that it came with, and until when

    async def name(self, token: str, key: PublicKey) -> str:
        """The verified e-mail address. Raises `IdentityError` (`oidc.bad-token`, `oidc.token-spent`), `Refusal` (`oidc.issuer-down`)."""
        claims = await self._keys.read(token)
        self._check(claims, key)
        self._spend(token, claims, key)
        return claims.email

    def _check(self, claims: Claims, key: PublicKey) -> None:
        now, told = self._clock.time(), self.told
        audience = told.audience or told.client
        if claims.iss != told.issuer:
            raise bad("it is another issuer's")
        if audience not in claims.audiences or (len(claims.audiences) > 1 and claims.azp != told.client):
            raise bad("it is for another audience")
        if not now - LEEWAY < claims.exp:
            raise bad("it is over")
        if not now - FRESH - LEEWAY <= claims.iat <= now + LEEWAY or claims.nbf > now + LEEWAY:
            raise bad("it was not issued just now")
        if claims.nonce is not None and claims.nonce != key.id:
            raise bad("it was issued for another key")
        if claims.nonce is None and claims.iat < self._begun:
            raise bad("it is from before this coordinator's start, and doesn't say for which key")
        if claims.email_verified is not True:
            raise bad("the issuer has not verified the e-mail address")
        if not _NAME.fullmatch(claims.email):
            raise bad("its e-mail address can't be a name here")

    def _spend(self, token: str, claims: Claims, key: PublicKey) -> None:
        """A token is its first key's; the same again is a lost answer."""
        now = self._clock.time()
        proof = proof_of(token)
        first, _ = self._spent.get(proof, ("", 0.0))
        if first and first != key.id:
            message = "this token was used with another key"
            raise IdentityError("oidc.token-spent", message, "log in again: atoll login URL")
        self._spent = {at: kept for at, kept in self._spent.items() if kept[1] > now}
        if not first and len(self._spent) >= MOST:
            raise Refusal(429, "identity.too-many", "too many people log in just now", "try again", retry=60)
        self._spent[proof] = (key.id, min(claims.exp, claims.iat + FRESH) + 2 * LEEWAY)


@final
class Keys:
    """An issuer's keys, fetched when one is missing, and what they have signed."""

    def __init__(self, issuer: str, clock: Clock, *, fetch: Callable[[str], Any] | None = None) -> None:
        try:
            import joserfc  # noqa: F401  # whether it is there; it is used where it is imported
        except ImportError as error:
            message = "an issuer's tokens can't be checked: joserfc isn't installed"
            raise ConfigError("oidc.not-installed", message, "pip install 'atoll[oidc]'") from error
        self._issuer, self._clock, self._fetch = issuer, clock, fetch or _fetched
        self._keys: dict[str, Any] = {}  # by their ids
        self._since, self._tried = -KEPT, -KEPT  # monotonic
        self._failed: IssuerError | None = None
        self._lock = asyncio.Lock()

    async def read(self, token: str) -> Claims:
        """What a token says, when the issuer has signed it. Raises `IdentityError` (`oidc.bad-token`), `Refusal` (`oidc.issuer-down`)."""
        from joserfc import jws
        from joserfc.errors import JoseError

        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise bad("it can't be read") from error
        if header.get("alg") not in ALGORITHMS:
            raise bad(f"it is signed by none of {', '.join(ALGORITHMS)}")
        key = await self._key(header.get("kid"))
        try:
            found = jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS))
            return msgspec.json.decode(found.payload, type=Claims)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise bad("what it says can't be read") from error
        except (JoseError, ValueError, TypeError) as error:
            raise bad("the issuer has not signed it") from error

    async def _key(self, kid: object) -> Any:
        async with self._lock:
            now = self._clock.monotonic()
            stale = now - self._since >= KEPT or self._find(kid) is None
            if stale and now - self._tried >= PAUSE:
                await self._renew()
            elif stale and self._failed is not None:
                raise self._down(self._failed)
            found = self._find(kid)
        if found is None:
            raise bad("the issuer has no such key")
        return found

    def _find(self, kid: object) -> Any:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid) if isinstance(kid, str) else None

    async def _renew(self) -> None:
        try:
            keys = await asyncio.to_thread(self._fetch, self._issuer)
        except IssuerError as error:
            self._failed = error
            raise self._down(error) from error
        finally:
            self._tried = self._clock.monotonic()
        self._keys, self._failed, self._since = keys, None, self._tried

    @staticmethod
    def _down(error: IssuerError) -> Refusal:
        return Refusal(503, error.code, error.message, error.mend, retry=PAUSE)


class _Published(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


def _fetched(issuer: str) -> dict[str, Any]:
    """An issuer's public keys, by their ids; those that can't be for signatures are left out."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry, RSAKey

    found = {}
    for number, each in enumerate(fetch_issuer(discover(issuer).jwks_uri, _Published).keys[:100]):
        if each.get("kty") not in ("RSA", "EC", "OKP") or each.get("use", "sig") != "sig" or "d" in each:
            continue
        try:
            key = JWKRegistry.import_key(each)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey) and key.public_key.key_size < 2048:
            continue
        found[str(each.get("kid", f"#{number}"))] = key
    return found


def proof_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def bad(why: str) -> IdentityError:
    """A token that counts for nothing."""
    return IdentityError(
        "oidc.bad-token", f"the issuer's token doesn't count: {why}", "log in again: atoll login URL"
    )
