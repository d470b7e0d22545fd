"""An authority is taken when a link names it, or when the coordinator's key vouches for a newer one; nothing else is."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from atoll.identity import Key
from atoll.wire import Address, Unreachable, authority_of, digest_of_authority, keep_authority, vouch
from atoll.wire._authority import renew_authority
from atoll.wire._identity_messages import Authority

OLD = "-----BEGIN CERTIFICATE-----\nb2xk\n-----END CERTIFICATE-----\n"
NEW = "-----BEGIN CERTIFICATE-----\nbmV3\n-----END CERTIFICATE-----\n"
KEY = Key.of_seed(hashlib.sha256(b"coordinator").digest())
THIEF = Key.of_seed(hashlib.sha256(b"thief").digest())


class Teller(HTTPServer):
    """Whoever answers at the coordinator's address."""

    said = b""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Teller)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.said)))
        self.end_headers()
        self.wfile.write(self.server.said)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def teller() -> Iterator[Teller]:
    with Teller(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    keep_authority(vouch(OLD, KEY, time=100), tmp_path / "ca.pem", audience=KEY.id)
    return tmp_path / "ca.pem"


def tell(teller: Teller, said: Authority) -> None:
    teller.said = msgspec.json.encode(said)


def test_the_one_that_a_link_names_is_taken_and_no_other(teller: Teller):
    tell(teller, vouch(OLD, KEY, time=100))
    assert authority_of(teller.address, digest_of_authority(OLD)).pem == OLD
    for said in (vouch(NEW, KEY, time=200), Authority(), Authority(pem="nothing")):
        tell(teller, said)
        with pytest.raises(Unreachable) as refused:
            authority_of(teller.address, digest_of_authority(OLD))
        assert refused.value.code == "wire.untrusted"


def test_a_newer_one_is_taken_for_which_the_coordinators_key_vouches(teller: Teller, kept: Path):
    tell(teller, vouch(NEW, KEY, time=200))
    address = Address(teller.address, ca=str(kept), audience=KEY.id)
    assert [renew_authority(address) for _ in range(2)] == [True, False]
    assert NEW in kept.read_text()


@pytest.mark.parametrize(
    "said",
    [
        vouch(NEW, THIEF, time=200),
        msgspec.structs.replace(vouch(NEW, THIEF, time=200), by=KEY.public.text),
        msgspec.structs.replace(vouch(OLD, KEY, time=200), pem=NEW),
        msgspec.structs.replace(vouch(NEW, KEY, time=200), time=300),
        vouch(NEW, KEY, time=100),  # as old as the one that is kept
        vouch(NEW, KEY, time=99),
        vouch("", KEY, time=200),
        Authority(pem=NEW, time=200),
    ],
)
def test_what_is_older_or_not_vouched_for_is_not_taken(teller: Teller, kept: Path, said: Authority):
    tell(teller, said)
    assert not renew_authority(Address(teller.address, ca=str(kept), audience=KEY.id))
    assert OLD in kept.read_text()


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", b'{"pem": 1}', b"\xff" * 1000, b"[" * 100_000])
def test_what_cant_be_read_is_not_taken(teller: Teller, kept: Path, answer: bytes):
    teller.said = answer
    assert not renew_authority(Address(teller.address, ca=str(kept), audience=KEY.id))
    assert OLD in kept.read_text()


def test_a_file_that_somebody_else_has_written_stays_as_it_is(teller: Teller, tmp_path: Path):
    (tmp_path / "ca.pem").write_text(OLD)
    tell(teller, vouch(NEW, KEY, time=200))
    assert not renew_authority(Address(teller.address, ca=str(tmp_path / "ca.pem"), audience=KEY.id))
    assert (tmp_path / "ca.pem").read_text() == OLD
