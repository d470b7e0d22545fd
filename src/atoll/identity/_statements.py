"""Statements: what somebody says and signs, so that others can check it wherever it came from.

Doesn't know who may say what; the roster does. A signature covers the statement's kind too: no statement passes for one
of another kind. The bodies are decoded strictly: fields that this version doesn't know are refused, because what is not
understood can't be trusted.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from atoll.identity._canonical import canonical, read
from atoll.identity._errors import IdentityError
from atoll.identity._keys import SIGNATURE, Key, PublicKey, from_base64, to_base64
from atoll.identity._roles import ROLES_OF, Role

LARGEST = 64 << 10  # bytes of a body

Kind: TypeAlias = Literal["user", "node", "host"]
Name: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]*\Z")
]
KeyId: TypeAlias = Annotated[str, Meta(max_length=34, pattern=r"^k-[a-z2-7]{32}")]
KeyText: TypeAlias = Annotated[str, Meta(max_length=43, pattern=r"^[A-Za-z0-9_-]{43}")]
Digest: TypeAlias = Annotated[str, Meta(max_length=71, pattern=r"^sha256:[0-9a-f]{64}")]
RunId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+\Z")]
Time: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 40)]  # whole seconds since 1970, UTC
Kept: TypeAlias = Annotated[tuple[KeyId, ...], Meta(max_length=1_500)]


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement on its way: its kind, its body (canonical JSON), who signed it and the signature. `check` reads it."""

    kind: Annotated[str, Meta(max_length=32, pattern=r"^[a-z]+\Z")]
    body: Annotated[str, Meta(max_length=LARGEST)]
    by: KeyText
    signature: Annotated[str, Meta(max_length=86, pattern=r"^[A-Za-z0-9_-]{86}")]

    @property
    def id(self) -> str:
        """What this statement, by this signer, is called: `s-` and 32 characters."""
        said = b"atoll/statement/1\n" + self.by.encode() + b"\n" + _message(self.kind, self.body.encode())
        return "s-" + base64.b32encode(hashlib.sha256(said).digest()[:20]).decode().lower()

    @property
    def signer(self) -> PublicKey:
        """The key that it claims. Raises `IdentityError` (`identity.bad-key`)."""
        return PublicKey.of(self.by)


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every body is."""


class Grant(Statement, frozen=True, kw_only=True):
    """An invitation: whoever has the token's secret half may enrol one key, under this name and with these roles.

    `key`, when it isn't empty, is the id of the only one that may: a member's, say, who gets another role and
    needs not join again. `approve`: an administrator has to look at the key before it counts. `owner`: the name of the
    user whose node it is.
    """

    token: KeyText
    kind: Kind
    name: Name
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=8)]
    federation: Name
    issued: Time
    expires: Time
    approve: bool = False
    key: Annotated[str, Meta(max_length=34, pattern=r"^(k-[a-z2-7]{32})?\Z")] = ""

    owner: Annotated[str, Meta(max_length=128, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.@+-]*)?\Z")] = ""

    def __post_init__(self) -> None:
        if not self.issued < self.expires:
            raise ValueError("an invitation ends after it begins")
        if len(set(self.roles)) < len(self.roles) or not set(self.roles) <= ROLES_OF[self.kind]:
            raise ValueError(
                f"the roles of a {self.kind} are {', '.join(sorted(ROLES_OF[self.kind]))}, once each"
            )


class Join(Statement, frozen=True, kw_only=True):
    """A key takes up an invitation; the token's key and the new key sign it."""

    token: KeyText
    key: KeyText
    name: Name
    time: Time


class Approval(Statement, frozen=True, kw_only=True):
    """An administrator has looked at a key, and lets it in."""

    key: KeyId
    federation: Name
    time: Time


class Revocation(Statement, frozen=True, kw_only=True):
    """From now on a key, or what an invitation's token (by its id) has let in, counts for nothing.

    `keep`: the ids of the tokens of those that it had invited or approved and that stay; all others go with it.
    """

    key: KeyId
    federation: Name
    time: Time
    why: Annotated[str, Meta(max_length=500)] = ""
    keep: Kept = ()


class Rotation(Statement, frozen=True, kw_only=True):
    """A new key takes the place of an old one; both sign it. `keep` is as in a revocation."""

    old: KeyId
    new: KeyText
    time: Time
    keep: Kept = ()


class Checkpoint(Statement, frozen=True, kw_only=True):
    """How long the audit log of `of` (its key's id) was at a time, and the digest of its last line."""

    of: KeyId
    n: Annotated[int, Meta(ge=0, le=1 << 53)]
    head: Digest
    time: Time


class RunOrder(Statement, frozen=True, kw_only=True):
    """What a user signs to begin a run: this bundle, with these settings, on this federation.

    `settings` is the digest of the canonical JSON of all else that was asked for: the app, its config, the seed.
    """

    run: RunId
    federation: Name
    bundle: Digest
    settings: Digest
    issued: Time
    expires: Time
    nodes: Annotated[tuple[Name, ...], Meta(max_length=1_000)] = ()  # empty: all of the federation

    def __post_init__(self) -> None:
        if not self.issued < self.expires:
            raise ValueError("an order ends after it begins")


S = TypeVar("S", bound=Statement)
_KINDS: dict[type[Statement], str] = {
    Grant: "grant",
    Join: "join",
    Approval: "approval",
    Revocation: "revocation",
    Rotation: "rotation",
    Checkpoint: "checkpoint",
    RunOrder: "order",
}
_SIGNED = msgspec.json.Decoder(Signed)


def sign(body: Statement, key: Key) -> Signed:
    """Say something, by this key. Raises `IdentityError` (`identity.bad-statement`) for what nobody could read."""
    kind, plain = _KINDS[type(body)], msgspec.to_builtins(body)
    _convert(plain, type(body))
    data = canonical(plain)
    if len(data) > LARGEST:
        raise _bad(kind, f"it has {len(data):,} bytes; at most {LARGEST:,} may be")
    signature = key.sign(_message(kind, data))
    return Signed(kind, data.decode(), key.public.text, to_base64(signature))


def check(signed: Signed, body: type[S]) -> S:
    """What was said, when it is of this kind and its signer's signature holds; who that is, `signed.signer` tells.

    Raises `IdentityError`: `identity.bad-signature`, `identity.bad-statement` (another kind, or fields that are missing,
    unknown or out of range), `identity.bad-key`, `identity.not-canonical`, `identity.too-large`.
    """
    return _convert(read(_verified(signed, _KINDS[body]), most=LARGEST), body)


class Both(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One statement that two keys signed: a join (the token's key, the new key), a rotation (the old key, the new one)."""

    first: Signed
    second: Signed


def sign_both(body: Statement, first: Key, second: Key) -> Both:
    """Say something, by two keys. Raises as `sign` does."""
    return Both(sign(body, first), sign(body, second))


def check_both(both: Both, body: type[S]) -> S:
    """What both said. Raises as `check` does, and `identity.bad-statement` when they said different things."""
    if both.first.body != both.second.body:
        raise _bad(_KINDS[body], "its two signers signed different things")
    _verified(both.first, _KINDS[body])
    return check(both.second, body)


def read_signed(data: bytes, *, most: int = 8 * LARGEST) -> Signed:
    """A statement out of the JSON in which it travels; nothing of it is checked yet.

    Raises `IdentityError`: `identity.too-large`, `identity.bad-statement`.
    """
    if len(data) > most:
        raise IdentityError("identity.too-large", f"a statement has at most {most:,} bytes", "say less")
    try:
        return _SIGNED.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad("statement", str(error)) from None


def _verified(signed: Signed, kind: str) -> bytes:
    """The body, whose signature holds."""
    if signed.kind != kind:
        raise _bad(kind, f"it is another kind of statement, {signed.kind!r:.40}")
    try:
        data = signed.body.encode()
    except UnicodeEncodeError:
        raise _bad(kind, "it is no Unicode text") from None
    if len(data) > LARGEST:
        raise IdentityError("identity.too-large", f"a statement has at most {LARGEST:,} bytes", "say less")
    signer = signed.signer
    if not signer.verify(_message(kind, data), from_base64(signed.signature, SIGNATURE)):
        raise IdentityError(
            "identity.bad-signature",
            f"{signer.id} has not signed this {kind}",
            "ask whoever sent it to sign it anew",
        )
    return data


def _message(kind: str, data: bytes) -> bytes:
    return b"atoll/" + kind.encode() + b"/1\n" + data


def _convert(plain: object, body: type[S]) -> S:
    try:
        return msgspec.convert(plain, body)
    except msgspec.ValidationError as error:
        raise _bad(_KINDS[body], str(error)) from None


def _bad(kind: str, why: str) -> IdentityError:
    return IdentityError(
        "identity.bad-statement",
        f"this is no {kind}: {why:.200}",
        "both sides may need the same version of Atoll",
    )
