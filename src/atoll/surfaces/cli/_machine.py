"""`atoll node approve`, `revoke` and `rotate`: machines on a roster, and a machine's new key.

Doesn't know what the machines do.
"""

from __future__ import annotations

import contextlib
import os
import time
from argparse import Namespace
from pathlib import Path

from msgspec.structs import replace

from atoll.identity import Key
from atoll.identity import rotate as rotation
from atoll.service._rotation import NEXT
from atoll.surfaces._administering import Administrator, administering
from atoll.surfaces._coordinator import PATIENCE
from atoll.surfaces._credentials import KEY, Credentials, credentials_in, remember_rotation
from atoll.surfaces._places import needed
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import until
from atoll.values import ConfigError, NotFound, sync_folder
from atoll.wire import About, Client, Me, Refused, Rotated


def approve(values: Namespace, out: Output) -> int:
    """Let a machine in that waits, or whose credential is over."""
    return approved(values, out, "node", "host")


def revoke(values: Namespace, out: Output) -> int:
    """Take a machine off the roster."""
    return revoked(values, out, "node", "host")


def rotate(values: Namespace, out: Output) -> int:
    """Give this machine a new key."""
    folder = Path(values.home).expanduser().resolve()
    credentials = credentials_in(folder)
    if credentials is None:
        raise NotFound(
            "identity.no-home",
            f"nothing has joined a coordinator in {folder}",
            "name its home: --home FOLDER",
        )
    new, old = folder / NEXT, Key.load(folder / KEY)
    if not new.exists():
        Key.make().save(new)
    fresh = Key.load(new)
    me = _rotated(credentials, folder, old, fresh)
    with contextlib.suppress(FileNotFoundError):  # the daemon has done it
        os.replace(new, folder / KEY)
    sync_folder(folder)
    out.document("atoll.rotated/1", {"name": me.name, "old": old.id, "id": fresh.id, "expires": me.expires})
    out.line(f"{out.paint(credentials.name, 'bold')} has a new key: {fresh.id}")
    out.line(
        f"  if it runs, it goes on with the new one by itself; else: atoll {credentials.kind} start --home {folder}"
    )
    return 0


def approved(values: Namespace, out: Output, *kinds: str) -> int:
    """Approve a member of one of these kinds."""
    with administering(needed(values.on), values.federation) as administrator:
        member = administrator.member(values.name, *kinds)
        found = administrator.approve(member)
    out.document("atoll.member/1", _document(administrator, found.name, found.id, found.kind, found.expires))
    out.line(
        f"{out.paint(found.name, 'bold')} is in {administrator.federation}, good {until(found.expires - time.time())}"
    )
    out.line(f"  its key      {found.id}: is it what they told you?")
    out.line(f"  if not       atoll {'user' if found.kind == 'user' else 'node'} revoke {found.name}{out.on}")
    return 0


def revoked(values: Namespace, out: Output, *kinds: str) -> int:
    """Revoke a member of one of these kinds, or an invitation that nobody has taken up."""
    why = values.why or ""
    with administering(needed(values.on), values.federation) as administrator:
        try:
            member = administrator.member(values.name, *kinds)
        except NotFound:
            return _withdrawn(administrator, values.name, why, kinds, out)
        keep = () if getattr(values, "with_invited", False) else administrator.invited_by(member.id)
        administrator.revoke(member.id, why=why, keep=keep)
    out.document(
        "atoll.member/1", _document(administrator, member.name, member.id, member.kind, 0.0, revoked=True)
    )
    out.line(
        f"{out.paint(member.name, 'bold')} is off the roster of {administrator.federation}, and what it asked for just now has ended"
    )
    if keep:
        out.line(f"  those that {member.name} had invited stay; --with-invited takes them off, too")
    return 0


def _withdrawn(administrator: Administrator, name: str, why: str, kinds: tuple[str, ...], out: Output) -> int:
    found = [i for i in administrator.invitations() if i.name.lower() == name.lower() and i.kind in kinds]
    if not found:
        administrator.member(name, *kinds)  # raises, with the names that there are
    for one in found:
        administrator.revoke(one.token, why=why)
    out.document(
        "atoll.member/1", _document(administrator, name, found[0].token, found[0].kind, 0.0, revoked=True)
    )
    out.line(f"the invitation of {name} is taken back: its link lets nobody in any more")
    return 0


def _document(
    administrator: Administrator, name: str, id: str, kind: str, expires: float, *, revoked: bool = False
) -> dict[str, object]:
    return {
        "name": name,
        "id": id,
        "kind": kind,
        "federation": administrator.federation,
        "expires": expires,
        "revoked": revoked,
    }


def _rotated(credentials: Credentials, folder: Path, old: Key, new: Key) -> Me:
    """Tell the coordinator, as the old key, and as the new one when an earlier answer was lost."""
    address = credentials.address(folder)
    for key in (KEY, NEXT):
        client = Client(replace(address, key=str(folder / key)), agent="atoll", patience=PATIENCE)
        try:
            now = int(client.call("GET", "/v1/about", None, About).time)
            said = Rotated(said=rotation(old, new, time=now))
            remember_rotation(folder, said.said)
            return client.call("POST", "/v1/me/rotation", said, Me)
        except Refused as error:
            if key == NEXT or error.code != "identity.unknown-key":
                raise
        finally:
            client.close()
    raise ConfigError(
        "identity.unknown", "the coordinator knows neither key", "join again: atoll node join LINK"
    )
