"""Those who have joined a coordinator by invitation: its administrator, a scientist, a host, nodes; each with a key of their own.

Doesn't know how they run. Everything goes the way the commands go, without a process for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atoll.identity import Link, Role
from atoll.surfaces._administering import Administrator, Wish
from atoll.surfaces._enrolling import reach, take_up
from atoll.surfaces._places import Place
from atoll.wire import Address, Client, Enrolled

FEDERATION = "default"


@dataclass(frozen=True)
class Joined:
    """Somebody's address, with their key, and the root that they have pinned."""

    address: Address
    root: str

    @property
    def key(self) -> Path:
        """The file of their key."""
        return Path(self.address.key)

    def daemon(self) -> dict[str, object]:
        """What a daemon's settings say of it."""
        dial = {name: getattr(self.address, name) for name in ("url", "ca", "key", "audience")}
        return {"coordinator": dial, "pins": {FEDERATION: self.root}}


def join(link: Link, home: Path) -> Joined:
    """Take an invitation up."""
    done = take_up(link, home / "key.pem", reach(link, home / "ca.pem"), waits=_nobody_waits)
    return Joined(done.address, done.enrolled.root)


def invite(administrator: Joined, kind: str, name: str) -> Link:
    """An invitation by the administrator."""
    address = administrator.address
    place = Place(
        url=address.url, ca=address.ca, key=address.key, audience=address.audience, root=administrator.root
    )
    client = Client(address, agent="ordeal")
    try:
        role = Role("scientist" if kind == "user" else kind)
        return Administrator(client, place, FEDERATION).invite(Wish(kind, name, (role,), 600.0))[0]
    finally:
        client.close()


def _nobody_waits(enrolled: Enrolled) -> None:
    raise AssertionError(f"{enrolled.name} has to wait")
