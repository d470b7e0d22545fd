"""What an administrator does with their key: sign invitations, approvals and revocations, and look at who is there.

Doesn't know a command. The key stays here; the coordinator is given what it has signed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import msgspec

from atoll.identity import (
    Approval,
    Grant,
    IdentityError,
    Key,
    Kind,
    Link,
    Member,
    PublicKey,
    Revocation,
    Role,
    Roster,
    Signed,
    check,
    sign,
    to_base64,
)
from atoll.surfaces._coordinator import talking_to
from atoll.surfaces._places import Place, Places
from atoll.values import ConfigError, NotFound, suggestion
from atoll.wire import (
    About,
    Client,
    Invite,
    Invited,
    InvitedList,
    Me,
    MemberInfo,
    MemberList,
    Ok,
    Rolls,
    Said,
    Waiting,
    WaitingList,
    code_of,
    digest_of_authority,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """Whom to invite: `approve` when an administrator is to look at their key; `owner` is whose node it is; `ttl` seconds."""

    kind: Kind
    name: str
    roles: tuple[Role, ...]
    ttl: float
    approve: bool = False
    owner: str = ""


class Administrator:
    """One federation of a coordinator, and the key that acts there. Its methods raise `Refused`, `IdentityError`."""

    def __init__(self, client: Client, place: Place, federation: str) -> None:
        self._client, self._place, self.federation = client, place, federation
        self.key = Key.load(place.key)
        self._ahead = client.call("GET", "/v1/about", None, About).time - time.time()

    @property
    def root(self) -> str:
        """The federation's root, as this user has pinned it. Raises `ConfigError` (`identity.not-pinned`)."""
        if pinned := pinned_root(self._place, self.federation):
            return pinned
        for one in self._client.call("GET", "/v1/me", None, Me).memberships:
            if one.federation == self.federation and one.root == self.key.id:
                return one.root
        message = f"this user doesn't know who the root of {self.federation} is"
        mend = "enrol in it with a link of its administrator: atoll login LINK"
        raise ConfigError("identity.not-pinned", message, mend)

    # -- letting in -------------------------------------------------------------------------------------------------

    def invite(self, wish: Wish) -> tuple[Link, Invited]:
        """Make an invitation, and register it."""
        token, root = Key.make(), self.root
        made = self._client.call(
            "POST", self._path("invitations"), Invite(grant=self._grant(wish, token.public)), Invited
        )
        return self._link(wish, token, root), made

    def grant(self, member: Member, role: Role) -> Invited:
        """Give a member another role; they need do nothing."""
        wish = Wish(member.kind, member.name, (role,), 600.0)
        grant = self._grant(wish, Key.make().public, key=member.id)
        return self._client.call("POST", self._path("invitations"), Invite(grant=grant), Invited)

    def welcome(self, code: str, role: Role, name: str) -> Invited:
        """Let somebody in who asks, and has told their code; `name` is what to call them instead of what they say."""
        waiting = self.waiting(code)
        key = PublicKey.of(waiting.key)
        if code_of(key, self._place.audience, self.root) != waiting.code:
            message = f"the coordinator shows another key for {code} than the one that has that code"
            raise IdentityError("identity.not-vouched", message, "ask them for their code again, in person")
        called = name or waiting.name
        if not called:
            raise ConfigError("cli.usage", f"whoever has the code {code} gave no name", "--name NAME")
        token = Key.make()
        grant = self._grant(Wish("user", called, (role,), 600.0), token.public, key=key.id)
        invite = Invite(grant=grant, code=waiting.code, seed=to_base64(token.seed))
        return self._client.call("POST", self._path("invitations"), invite, Invited)

    def vouched_for(self, name: str) -> Waiting | None:
        """Who asks, and has that name by the coordinator's issuer; None when nobody does. Raises `ConfigError` (`identity.same-name`)."""
        found = [one for one in self.requests() if one.issuer and one.name.lower() == name.lower()]
        if len(found) > 1:
            message = f"{len(found)} keys ask to join {self.federation} as {name}"
            mend = "let them tell you the code that is shown to them: atoll user approve CODE --role ROLE"
            raise ConfigError("identity.same-name", message, mend)
        return found[0] if found else None

    def waiting(self, code: str) -> Waiting:
        """Who asks, by their code."""
        found = self.requests()
        wanted = _plain(code)
        for one in found:
            if _plain(one.code) == wanted:
                return one
        near = (
            suggestion(code, [one.code for one in found], what="codes")
            if found
            else "they ask again: atoll login URL"
        )
        raise NotFound(
            "identity.no-request", f"nobody who asks to join {self.federation} has the code {code}", near
        )

    def approve(self, member: Member) -> MemberInfo:
        """Let a member in who waits, or whose credential is over."""
        said = Approval(key=member.id, federation=self.federation, time=self._now())
        return self._client.call("POST", self._path("approvals"), Said(said=sign(said, self.key)), MemberInfo)

    # -- sending away -----------------------------------------------------------------------------------------------

    def revoke(self, id: str, *, why: str, keep: tuple[str, ...] = ()) -> None:
        """Take a key, or an invitation's token, off the roster for good."""
        said = Revocation(key=id, federation=self.federation, time=self._now(), why=why, keep=keep)
        self._client.call("POST", self._path("revocations"), Said(said=sign(said, self.key)), Ok)

    def invited_by(self, id: str) -> tuple[str, ...]:
        """The tokens of all whom a key has let in."""
        rolls = msgspec.json.decode(self._client.fetch(self._path("roster")), type=Rolls)
        grants = [grant for grant, _ in rolls.entries if grant.signer.id == id]
        return tuple(PublicKey.of(check(grant, Grant).token).id for grant in grants)

    # -- looking ----------------------------------------------------------------------------------------------------

    def members(self) -> list[MemberInfo]:
        """Who is on the roster."""
        return self._client.call("GET", self._path("members"), None, MemberList).members

    def invitations(self) -> list[Invited]:
        """The invitations that nobody has taken up."""
        return self._client.call("GET", self._path("invitations"), None, InvitedList).invitations

    def requests(self) -> list[Waiting]:
        """Who asks to be let in, with a code."""
        return self._client.call("GET", self._path("requests"), None, WaitingList).waiting

    def member(self, name: str, *kinds: str) -> Member:
        """A member by name or key, as the roster proves it, whatever the coordinator says. Raises `NotFound` (`identity.unknown`)."""
        roster = self.roster()
        found = [m for m in roster.members() if not kinds or m.kind in kinds]
        for one in found:
            if name.lower() in (one.name.lower(), one.id):
                return one
        what = " or ".join(kinds) or "member"
        near = (
            suggestion(name, [m.name for m in found], what="names")
            if found
            else "see who is there: atoll user ls --all"
        )
        raise NotFound("identity.unknown", f"{self.federation} has no {what} called {name}", near)

    def roster(self) -> Roster:
        """The federation's roster, under the root that this user has pinned."""
        data = self._client.fetch(self._path("roster"))
        return Roster.read(data, root=self.root, federation=self.federation)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return int(time.time() + self._ahead)

    def _path(self, what: str) -> str:
        return f"/v1/federations/{quote(self.federation, safe='')}/{what}"

    def _grant(self, wish: Wish, token: PublicKey, *, key: str = "") -> Signed:
        now = self._now()
        said = Grant(
            token=token.text, kind=wish.kind, name=wish.name, roles=wish.roles, federation=self.federation, issued=now,
            expires=now + max(1, int(wish.ttl)), approve=wish.approve, key=key, owner=wish.owner,
        )  # fmt: skip
        return sign(said, self.key)

    def _link(self, wish: Wish, token: Key, root: str) -> Link:
        url = urlsplit(self._place.url)
        plain, host = url.scheme == "http", url.hostname or ""
        return Link(
            host=f"[{host}]" if ":" in host else host, port=url.port or (80 if plain else 443), seed=token.seed,
            kind=wish.kind, federation=self.federation, name=wish.name, audience=self._place.audience, root=root,
            ca=_authority(self._place), path=url.path.rstrip("/"), plain=plain,
        )  # fmt: skip


@contextlib.contextmanager
def administering(place: Place, federation: str | None) -> Iterator[Administrator]:
    """Act in a federation; the place's own when none is named. Raises `ConfigError` (`identity.no-login`)."""
    if not place.key:
        message = f"whoever talks to {place.url} shows a token; to invite and revoke takes a key of one's own"
        mend = "log in with the link that the coordinator printed when it started with --public-url: atoll login LINK"
        raise ConfigError("identity.no-login", message, mend)
    with talking_to(place) as client:
        yield Administrator(client, place, federation or place.federation)


def pinned_root(place: Place, federation: str) -> str:
    """The root of a federation of the same coordinator, as any context of this user's has pinned it; "" when none has."""
    known = [place, *Places.load().contexts.values()]
    return next(
        (p.root for p in known if p.root and p.audience == place.audience and p.federation == federation), ""
    )


def _authority(place: Place) -> str:
    if not place.ca:
        return ""
    try:
        with open(place.ca, encoding="ascii") as file:
            return digest_of_authority(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "wire.bad-ca", f"{place.ca} can't be read: {error}", "log in again: atoll login LINK"
        ) from error


def _plain(code: str) -> str:
    return code.replace("-", "").replace(" ", "").upper()
