"""The authority of a coordinator's TLS, fetched without trusting anybody, and taken only when it is the one that was named.

Doesn't know who named it: a link does.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
from dataclasses import replace

import msgspec

from atoll.wire._client import Unreachable
from atoll.wire._connection import Connection
from atoll.wire._identity_messages import Authority
from atoll.wire._route import Address, route

WAIT = 15.0  # seconds
_MOST = 1 << 20


def authority_of(url: str, digest: str) -> str:
    """The authority's certificate, as PEM, whose SHA-256 (hexadecimal, of the DER) was named.

    Raises `Unreachable` (`wire.unreachable`, `wire.untrusted`).
    """
    way = route(Address(url))
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    connection = Connection(replace(way, secure=blind if way.secure else None))
    try:
        response = connection.ask("GET", "/v1/ca", {"Accept": "application/json"}, None, WAIT)
        body = response.read(_MOST)
    except (OSError, http.client.HTTPException) as error:
        message = f"no answer from {url}: {str(error) or type(error).__name__}"
        mend = "see whether the coordinator runs there, and whether this machine may reach it"
        raise Unreachable("wire.unreachable", message, mend) from error
    finally:
        connection.close()
    pem = _pem(body)
    if digest_of_authority(pem) != digest:
        message = f"whoever answers at {url} has another authority than the one that was named: it may be somebody else"
        mend = "ask for a new link; if it says the same, tell the coordinator's administrator"
        raise Unreachable("wire.untrusted", message, mend)
    return pem


def digest_of_authority(pem: str) -> str:
    """The SHA-256 of the first certificate in a PEM text, as links name it; "" when there is none."""
    try:
        begin, end = pem.index(ssl.PEM_HEADER), pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[begin:end])).hexdigest()
    except ValueError:
        return ""


def _pem(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Authority).pem
    except msgspec.MsgspecError:
        return ""
