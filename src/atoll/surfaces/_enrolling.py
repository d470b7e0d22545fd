"""Enrolling a key: with an invitation's link, or with a code that an administrator approves.

Doesn't know a command. The key is there before anybody is asked, and all is asked again with the same key when an answer is
lost: nothing is used up by that. What comes back is believed when the federation's root vouches for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from msgspec.structs import replace

from atoll.identity import (
    Grant,
    IdentityError,
    Join,
    Key,
    Link,
    Roster,
    check,
    from_base64,
    sign_both,
)
from atoll.wire import (
    About,
    Address,
    Ask,
    Asked,
    Claim,
    Client,
    Enrol,
    Enrolled,
    Issuer,
    Me,
    Refused,
    authority_of,
    code_of,
    keep_authority,
)

PATIENCE = 15.0  # seconds for a coordinator that doesn't answer
HELD = 50.0  # seconds that a request may be held back: less than what proxies allow


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What came of it: who the key is, where, and the roster that proves it (b"" while it waits for an administrator)."""

    address: Address
    enrolled: Enrolled
    roster: bytes = b""


def key_in(path: Path) -> Key:
    """The key in a file, made when there is none. Raises `IdentityError`."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        Key.make().save(path)
    return Key.load(path)


def reach(link: Link, authority: Path) -> Address:
    """The coordinator that a link names; its authority is fetched, taken when it is the one named, and kept in a file.

    Raises `Unreachable` (`wire.unreachable`, `wire.untrusted`).
    """
    if link.ca:
        keep_authority(authority_of(link.address, link.ca), authority, audience=link.audience)
    return Address(link.address, ca=str(authority) if link.ca else "", audience=link.audience)


def take_up(link: Link, key: Path, address: Address, *, waits: Callable[[Enrolled], None]) -> Enrolment:
    """Enrol the key in a file with a link. `waits` is told when an administrator has to look at it first.

    Raises `Refused`, `Unreachable`, `IdentityError` (`identity.not-vouched`).
    """
    own, token = key_in(key), link.token
    with _asking(address) as client:
        said = Join(token=token.public.text, key=own.public.text, name=link.name, time=_time(client))
        both = sign_both(said, token, own)
        if token.id == link.root:  # the first administrator's: its bearer becomes the root
            enrolled = client.call("POST", "/v1/roots", Claim(join=both), Enrolled)
            return _proved(address, key, own, enrolled, root=own.id)
        enrol = Enrol(federation=link.federation, join=both)
        enrolled = _enrolled(client, enrol, waits)
    return _proved(address, key, own, enrolled, root=link.root)


def ask_in(
    address: Address, federation: str, name: str, key: Path, *, tell: Callable[[str, str], None],
    vouch: Callable[[Issuer, str], str] | None = None, pinned: str = "",
) -> Enrolment:  # fmt: skip
    """Ask to be let in without a link; `tell` is given the code, and the federation, and this waits until it is approved.

    `vouch` logs in at the coordinator's issuer, if it has one, and returns its token for a key; whoever is on the roster, under
    the `pinned` root, need then wait for nobody. Raises as `take_up` does, and what `vouch` does.
    """
    own = key_in(key)
    with _asking(address) as client:
        issuer = _issuer(client) if vouch is not None else Issuer()
        proof = vouch(issuer, own.id) if vouch is not None and issuer.issuer else ""
        ask = Ask(federation=federation, key=own.public.text, name=name, token=proof)
        asked = client.call("POST", "/v1/enrol/ask", ask, Asked)
        first = asked
        if asked.renewed:
            return _again(
                replace(address, audience=asked.audience), key, own, federation, pinned or asked.root
            )
        if asked.grant is None:
            tell(code_of(own.public, asked.audience, asked.root), federation)
        while asked.grant is None:
            asked = client.call("POST", "/v1/enrol/ask", replace(ask, wait=HELD), Asked, wait=HELD)
            if (asked.audience, asked.root) != (first.audience, first.root):
                message = "the coordinator has changed its key, or the federation's root, in between"
                raise IdentityError(
                    "identity.not-vouched", message, "ask its administrator what has happened"
                )
        said, token = check(asked.grant, Grant), Key.of_seed(from_base64(asked.seed, 32))
        if said.key != own.id or said.token != token.public.text or said.federation != federation:
            message = "the invitation that came is for another key, or another federation"
            raise IdentityError("identity.not-vouched", message, "ask again: atoll login URL")
        joined = Join(token=said.token, key=own.public.text, name=said.name, time=_time(client))
        enrol = Enrol(federation=federation, join=sign_both(joined, token, own))
        enrolled = client.call("POST", "/v1/enrol", enrol, Enrolled)
    return _proved(replace(address, audience=asked.audience), key, own, enrolled, root=asked.root)


def roster_of(address: Address, federation: str, root: str) -> tuple[Roster, bytes]:
    """A federation's roster, every signature checked against the pinned root. Raises `Refused`, `IdentityError`."""
    with _asking(address) as client:
        data = client.fetch(f"/v1/federations/{quote(federation, safe='')}/roster")
    return Roster.read(data, root=root, federation=federation), data


# -- inside ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _asking(address: Address) -> Iterator[Client]:
    client = Client(address, agent="atoll", patience=PATIENCE)
    try:
        yield client
    finally:
        client.close()


def _issuer(client: Client) -> Issuer:
    """Who vouches for names at a coordinator; nobody, at one that doesn't know of such."""
    try:
        return client.call("GET", "/v1/enrol/issuer", None, Issuer)
    except Refused as error:
        if error.status != 404:
            raise
        return Issuer()


def _again(address: Address, key: Path, own: Key, federation: str, root: str) -> Enrolment:
    """Who is on the roster already."""
    with _asking(replace(address, key=str(key))) as client:
        me = client.call("GET", "/v1/me", None, Me)
    for one in me.memberships:
        if one.federation == federation:
            enrolled = Enrolled(id=own.id, name=one.name, kind="user", federation=federation, roles=one.roles, root=root,
                                audience=me.audience, expires=me.expires)  # fmt: skip
            return _proved(address, key, own, enrolled, root=root)
    message = f"the coordinator says that this key is in {federation}, and then that it isn't"
    raise IdentityError("identity.not-vouched", message, "ask its administrator what has happened")


def _time(client: Client) -> int:
    """The coordinator's: by its clock it is judged whether an invitation is over."""
    return int(client.call("GET", "/v1/about", None, About).time)


def _enrolled(client: Client, enrol: Enrol, waits: Callable[[Enrolled], None]) -> Enrolled:
    enrolled = client.call("POST", "/v1/enrol", enrol, Enrolled)
    if enrolled.waiting:
        waits(enrolled)
    while enrolled.waiting:
        enrolled = client.call("POST", "/v1/enrol", replace(enrol, wait=HELD), Enrolled, wait=HELD)
    return enrolled


def _proved(address: Address, key: Path, own: Key, enrolled: Enrolled, *, root: str) -> Enrolment:
    """The roster has the key under the root that was pinned: else nobody is believed."""
    if address.audience and enrolled.audience != address.audience:
        raise _not_vouched(enrolled, "another coordinator answered than the one that the link names")
    mine = replace(address, key=str(key), audience=enrolled.audience)
    try:
        roster, data = roster_of(mine, enrolled.federation, root)
    except IdentityError as error:
        raise _not_vouched(enrolled, error.message) from error
    member = roster.who(own.id)
    if member is None or (member.name != enrolled.name and root != own.id):
        raise _not_vouched(enrolled, "this key isn't on the federation's roster")
    return Enrolment(mine, enrolled, data)


def _not_vouched(enrolled: Enrolled, why: str) -> IdentityError:
    message = (
        f"nobody vouches for what the coordinator says of {enrolled.name} in {enrolled.federation}: {why}"
    )
    return IdentityError(
        "identity.not-vouched", message, "tell the federation's administrator; use nothing of it"
    )
