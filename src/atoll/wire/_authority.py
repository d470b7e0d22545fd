"""The authority of a coordinator's TLS, fetched without trusting anybody, and taken when it is the one that was named, or when the
coordinator's own key vouches for it.

Doesn't know who named it: a link does. What is taken is kept in a file, with the time since when it is so in its first line: an older
one never comes in a newer one's place.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import ssl
from dataclasses import replace
from pathlib import Path

import msgspec

from atoll.identity import IdentityError, Key, PublicKey, from_base64, to_base64
from atoll.values import UNREADABLE, write_privately
from atoll.wire._client import Unreachable
from atoll.wire._connection import Connection
from atoll.wire._identity_messages import Authority
from atoll.wire._route import Address, route

WAIT = 15.0  # seconds
_MOST = 1 << 20
_HEAD = re.compile(rb"# authority of (k-[a-z2-7]{32}), since ([0-9]{1,13})\n")


def vouch(pem: str, key: Key, *, time: int) -> Authority:
    """An authority, signed by the coordinator's key."""
    signature = to_base64(key.sign(_said(pem, time)))
    return Authority(pem=pem, time=time, by=key.public.text, signature=signature)


def authority_of(url: str, digest: str) -> Authority:
    """The authority whose certificate's SHA-256 (hexadecimal, of the DER) was named.

    Raises `Unreachable` (`wire.unreachable`, `wire.untrusted`).
    """
    found = _fetched(url)
    if digest_of_authority(found.pem) != digest:
        message = f"whoever answers at {url} has another authority than the one that was named: it may be somebody else"
        mend = "ask for a new link; if it says the same, tell the coordinator's administrator"
        raise Unreachable("wire.untrusted", message, mend)
    return found


def keep_authority(found: Authority, path: Path, *, audience: str) -> None:
    """Write an authority to a file that `renew_authority` may change."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = f"# authority of {audience}, since {found.time}\n{found.pem}".encode()
    write_privately(path, content)


def renew_authority(address: Address) -> bool:
    """Take the authority that a coordinator has now in the place of the one that is kept, when its key vouches for it and it
    is newer; whether that was so. A file that Atoll hasn't written stays as it is."""
    path = Path(address.ca)
    try:
        head = _HEAD.match(path.read_bytes()[:200])
        if head is None or head[1].decode() != address.audience:
            return False
        found = _fetched(address.url)
        if not found.pem or found.time <= int(head[2]) or not _vouched(found, address.audience):
            return False
        keep_authority(found, path, audience=address.audience)
    except (OSError, Unreachable):
        return False
    return True


def digest_of_authority(pem: str) -> str:
    """The SHA-256 of the first certificate in a PEM text, as links name it; "" when there is none."""
    try:
        begin, end = pem.index(ssl.PEM_HEADER), pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[begin:end])).hexdigest()
    except ValueError:
        return ""


def _fetched(url: str) -> Authority:
    """What whoever answers there says. Raises `Unreachable` (`wire.unreachable`)."""
    way = route(Address(url))
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    connection = Connection(replace(way, secure=blind if way.secure else None))
    try:
        response = connection.ask("GET", "/v1/ca", {"Accept": "application/json"}, None, WAIT)
        return msgspec.json.decode(response.read(_MOST), type=Authority)
    except (OSError, http.client.HTTPException) as error:
        message = f"no answer from {url}: {str(error) or type(error).__name__}"
        mend = "see whether the coordinator runs there, and whether this machine may reach it"
        raise Unreachable("wire.unreachable", message, mend) from error
    except UNREADABLE:
        return Authority()
    finally:
        connection.close()


def _vouched(found: Authority, audience: str) -> bool:
    try:
        signer = PublicKey.of(found.by)
        return signer.id == audience and signer.verify(
            _said(found.pem, found.time), from_base64(found.signature, 64)
        )
    except IdentityError:
        return False


def _said(pem: str, time: int) -> bytes:
    return f"atoll/authority/1\n{time}\n{pem}".encode()
