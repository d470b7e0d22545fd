"""What crosses the network about who is who: enrolment, rosters, credentials.

Doesn't know who may say it. What is signed travels as it was signed.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from atoll.identity import Both, KeyId, Kind, Role, Signed
from atoll.identity import Name as MemberName
from atoll.wire._messages import Message, Name, Seconds

KeyText: TypeAlias = Annotated[str, Meta(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]{43}$")]
Code: TypeAlias = Annotated[str, Meta(min_length=9, max_length=9, pattern=r"^[A-Z2-7]{4}-[A-Z2-7]{4}$")]


class Authority(Message, frozen=True, kw_only=True):
    """The certificate (PEM) with which the coordinator's TLS is to be checked; "" for the system's authorities.

    The coordinator's key signs it, so that whoever knows that takes a new authority in the place of an old one; `time`: since when it is so.
    """

    pem: Annotated[str, Meta(max_length=1 << 18)] = ""
    time: Annotated[int, Meta(ge=0, le=1 << 40)] = 0
    by: Annotated[str, Meta(max_length=43)] = ""
    signature: Annotated[str, Meta(max_length=86)] = ""


class Claim(Message, frozen=True, kw_only=True):
    """The first administrator's link is taken up: the key becomes the root of the federation `default`."""

    join: Both


class Enrol(Message, frozen=True, kw_only=True):
    """An invitation is taken up. `wait`: how long the answer may take while an administrator has to look at the key."""

    federation: Name
    join: Both
    wait: Seconds = 0.0


class Enrolled(Message, frozen=True, kw_only=True):
    """Who the key is now; with `waiting` it counts for nothing until an administrator has approved it."""

    id: KeyId
    name: MemberName
    kind: Kind
    federation: Name
    roles: list[Role]
    root: KeyId
    audience: KeyId
    expires: float = 0.0
    waiting: bool = False


class Ask(Message, frozen=True, kw_only=True):
    """A key without an invitation asks to be let in; its bearer shows the code to an administrator.

    `token`: an ID token of the coordinator's issuer, which then says what to call them.
    """

    federation: Name
    key: KeyText
    name: Annotated[str, Meta(max_length=128, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.@+-]*)?$")] = ""
    wait: Seconds = 0.0
    token: Annotated[str, Meta(max_length=1 << 14)] = ""


class Asked(Message, frozen=True, kw_only=True):
    """What the asker needs for its code, and, once an administrator has agreed, the invitation made out to its key.

    `seed` is the invitation's token. It lets that key in and no other, so that whoever carries it gains nothing.
    `renewed`: the key was on the roster already, and is good until then.
    """

    federation: Name
    audience: KeyId
    root: KeyId
    expires: float
    grant: Signed | None = None
    seed: str = ""
    renewed: float = 0.0


class Issuer(Message, frozen=True, kw_only=True):
    """Who vouches for names at a coordinator (OpenID Connect); all are empty where nobody does.

    `issuer` is its URL, `client` the coordinator's id there, `audience` whom its tokens are for, when that is another.
    """

    issuer: Annotated[str, Meta(max_length=2_000)] = ""
    client: Annotated[str, Meta(max_length=512)] = ""
    audience: Annotated[str, Meta(max_length=512)] = ""


class Waiting(Message, frozen=True, kw_only=True):
    """Somebody who asks to be let in, as an administrator sees them; `issuer` is who vouches for the name, if anybody does."""

    code: Code
    key: KeyText
    name: str = ""
    expires: float = 0.0
    issuer: str = ""


class WaitingList(Message, frozen=True, kw_only=True):
    """Who asks to be let in."""

    waiting: list[Waiting] = []


class Membership(Message, frozen=True, kw_only=True):
    """What a key is in one federation."""

    federation: Name
    name: MemberName
    roles: list[Role] = []
    owner: str = ""
    waiting: bool = False
    root: str = ""


class Me(Message, frozen=True, kw_only=True):
    """Who asks; `expires` is when the credential ends (0: never), `lifetime` how long it is good when it was renewed."""

    id: str
    name: str
    kind: str
    memberships: list[Membership] = []
    expires: float = 0.0
    lifetime: float = 0.0
    time: float = 0.0
    audience: str = ""


class Said(Message, frozen=True, kw_only=True):
    """A statement: an approval or a revocation."""

    said: Signed


class Rotated(Message, frozen=True, kw_only=True):
    """A new key in the place of an old one; both have signed."""

    said: Both


class Invite(Message, frozen=True, kw_only=True):
    """An invitation. With `code` it is the answer to somebody who asked, and `seed` is passed on to them."""

    grant: Signed
    code: Annotated[str, Meta(max_length=9, pattern=r"^([A-Z2-7]{4}-[A-Z2-7]{4})?$")] = ""
    seed: Annotated[str, Meta(max_length=43, pattern=r"^([A-Za-z0-9_-]{43})?$")] = ""


class Invited(Message, frozen=True, kw_only=True):
    """An invitation that nobody has taken up, and when it ends."""

    token: KeyId
    name: MemberName
    kind: Kind
    roles: list[Role] = []
    expires: float = 0.0


class InvitedList(Message, frozen=True, kw_only=True):
    """The invitations that wait."""

    invitations: list[Invited] = []


class MemberInfo(Message, frozen=True, kw_only=True):
    """Somebody on a roster."""

    id: KeyId
    name: MemberName
    kind: Kind
    roles: list[Role] = []
    owner: str = ""
    waiting: bool = False
    expires: float = 0.0


class MemberList(Message, frozen=True, kw_only=True):
    """Who is on a roster; the root goes first."""

    federation: Name
    members: list[MemberInfo] = []


class Rolls(Message, frozen=True, kw_only=True):
    """A roster as it was signed: whoever pins its root checks every entry. Read it with `atoll.identity.Roster.read`."""

    version: int
    root: KeyText
    federation: Name
    rotations: list[Both]
    entries: list[tuple[Signed, Both | None]]
    approvals: list[Signed]
    revocations: list[Signed]
