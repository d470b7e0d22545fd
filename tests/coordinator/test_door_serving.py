"""A coordinator from its start to its end: one in a home, TLS of its own or not, and what it does when it is told to end."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coordinator_process import Process
from door_world import Caller, random_bytes, upload

from atoll.service.coordinator import Settings, serve
from atoll.service.coordinator._tls import self_made
from atoll.store import digest_bytes
from atoll.values import AtollError, ConfigError
from atoll.wire import About, Address, Client

MIB = 1 << 20
Start = Callable[..., Process]


def run(tmp_path: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """One that is expected to end by itself."""
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"embedded_host": False, **settings}))
    command = [sys.executable, "-m", "atoll.service.coordinator", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def wait_for(condition: Any, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        select.select([], [], [], 0.02)


def test_two_coordinators_cannot_share_a_home(coordinator: Start, tmp_path: Path) -> None:
    process = coordinator()
    ended = run(tmp_path, home=str(process.home), port=0)
    assert ended.returncode == 1
    assert "another coordinator runs in" in ended.stderr
    assert "mend:" in ended.stderr
    assert process.client.call("GET", "/v1/about", None, About).api == 1
    assert process.end() == 0


def test_a_port_that_is_taken_is_refused(coordinator: Start, tmp_path: Path) -> None:
    process = coordinator()
    ended = run(tmp_path, home=str(tmp_path / "second"), port=Caller(process).port)
    assert ended.returncode == 2
    assert "can't be listened on" in ended.stderr
    assert process.end() == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "hospital.example"])
def test_beyond_this_machine_nothing_is_served_without_tls(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="TLS is off") as refused:
        serve(Settings(home=tmp_path, host=host, tls=False))
    assert refused.value.code == "coordinator.not-secure"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("cert", "key"), [("nothing", "nothing"), (__file__, __file__)])
def test_a_certificate_that_cannot_be_used_is_refused(tmp_path: Path, cert: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        serve(Settings(home=tmp_path, port=0, tls_cert=cert, tls_key=key, embedded_host=False))
    assert refused.value.code == "coordinator.bad-certificate"


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AtollError) as refused:
        serve(Settings(home=tmp_path / "file", port=0))
    assert refused.value.code == "coordinator.bad-home"


def test_it_speaks_tls_with_a_certificate_of_its_own(coordinator: Start) -> None:
    process = coordinator(tls=True)
    assert process.address.url.startswith("https://127.0.0.1:")
    assert process.client.call("GET", "/v1/about", None, About).api == 1
    with pytest.raises(AtollError, match="certificate"):
        Client(Address(process.address.url), agent="test", patience=0).call("GET", "/v1/about", None, About)
    keys = {p.name: p.stat().st_mode & 0o777 for p in (process.home / "tls").iterdir()}
    assert keys == dict.fromkeys(["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"], 0o600)
    assert process.end() == 0


def test_its_authority_stays_when_it_gets_another_name(tmp_path: Path) -> None:
    authority, certificate, _ = self_made(tmp_path, "127.0.0.1")
    before = authority.read_bytes(), certificate.read_bytes()
    self_made(tmp_path, "127.0.0.1")
    assert (authority.read_bytes(), certificate.read_bytes()) == before
    self_made(tmp_path, "lagoon.example")
    assert authority.read_bytes() == before[0]
    assert certificate.read_bytes() != before[1]


def test_a_certificate_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    authority, certificate, key = self_made(tmp_path, "127.0.0.1")
    key.write_bytes(key.read_bytes()[:50])
    self_made(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    assert authority.exists()


def test_a_given_certificate_is_dialled_by_its_name(coordinator: Start, tmp_path: Path) -> None:
    authority, certificate, key = self_made(tmp_path / "given", "127.0.0.1")
    process = coordinator(tls_cert=str(certificate), tls_key=str(key))
    assert (process.home / "tls").exists() is False
    told = json.loads((process.home / "address").read_text())
    assert told["ca"] == ""  # others vouch for it
    client = Client(
        Address(told["url"], token=process.address.token, ca=str(authority)), agent="test", patience=0
    )
    assert client.call("GET", "/v1/about", None, About).api == 1
    client.close()
    assert process.end() == 0


def test_told_to_end_it_answers_those_who_wait_and_goes(coordinator: Start) -> None:
    process = coordinator()
    ask = Caller(process)
    session = ask.hello("patient")
    answers: list[int] = []
    poll = {"name": "patient", "session": session, "wait": 600}
    waiting = threading.Thread(target=lambda: answers.append(ask("POST", "/v1/node/poll", poll).status))
    waiting.start()
    wait_for(lambda: _reading(process, "atoll_requests_under_way") == 2)  # that one, and this
    began = time.monotonic()
    assert process.end() == 0
    assert time.monotonic() - began < 8
    waiting.join(10)
    assert answers == [200]
    assert not (process.home / "address").exists()
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert [line["level"] for line in lines] == ["info"] * len(lines)
    assert "listens at" in lines[0]["message"]


def test_an_upload_that_hangs_does_not_keep_it_and_goes_on_afterwards(coordinator: Start) -> None:
    process = coordinator()
    ask, body = Caller(process), random_bytes(4 * MIB)
    whole = upload([(digest_bytes(body), len(body), 0)], body)
    began = time.monotonic()
    with ask.begun("PUT", "/v1/objects", length=len(whole), begin=whole[:-MIB]):
        wait_for(lambda: _reading(process, "atoll_bytes_in_total") >= 2 * MIB)
        assert process.end() == 0
    assert time.monotonic() - began < 15
    again = coordinator(port=ask.port)
    held = Caller(again).lack({digest_bytes(body): len(body)})[digest_bytes(body)]
    assert held == 3 * MIB
    assert Caller(again).put([(digest_bytes(body), len(body), held)], body[held:]).status == 200
    assert again.end() == 0


def test_a_connection_that_stays_open_is_told_that_it_ends(coordinator: Start) -> None:
    process = coordinator()
    ask = Caller(process)
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=30)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b'{"status":"alive"}'
    assert process.end() == 0
    assert connection.sock is None or connection.sock.recv(1) == b""


def test_killed_and_started_again_it_is_the_same(coordinator: Start) -> None:
    process = coordinator()
    first = Caller(process)
    first.keep(b"kept")
    first("POST", "/v1/federations", {"name": "heart"})
    process.child.kill()
    process.child.wait()
    (process.home / "address").unlink()
    again = coordinator(port=first.port)
    assert again.address == process.address
    assert Caller(again).lack({digest_bytes(b"kept"): 4}) == {}
    assert Caller(again)("GET", "/v1/federations/heart").status == 200
    assert again.end() == 0


def test_its_host_is_started_again_and_ends_with_it(coordinator: Start) -> None:
    process = coordinator(embedded_host=True)
    wait_for(lambda: len(_children(process.child.pid)) == 1)
    (first,) = _children(process.child.pid)
    wait_for(lambda: _reading(process, "atoll_hosts_here") == 1)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: _children(process.child.pid) not in ([], [first]))
    (second,) = _children(process.child.pid)
    wait_for(lambda: _reading(process, "atoll_hosts_here") == 1)
    assert process.end() == 0
    assert not _lives(second)
    assert "(signal 9)" in process.log.read_text()


def test_its_host_ends_when_it_is_killed(coordinator: Start) -> None:
    process = coordinator(embedded_host=True)
    wait_for(lambda: _reading(process, "atoll_hosts_here") == 1)
    (host,) = _children(process.child.pid)
    process.child.kill()
    process.child.wait()
    wait_for(lambda: not _lives(host))


def test_it_is_not_ready_when_its_disk_is_gone(coordinator: Start, tmp_path: Path) -> None:
    process = coordinator()
    ask = Caller(process)
    assert ask("GET", "/readyz").document == {"status": "ready"}
    (process.home / "objects").rename(tmp_path / "elsewhere")
    wait_for(lambda: ask("GET", "/readyz").status == 503)
    assert "can't be written" in ask("GET", "/readyz").document["status"]
    assert ask("GET", "/healthz").status == 200
    (tmp_path / "elsewhere").rename(process.home / "objects")
    wait_for(lambda: ask("GET", "/readyz").status == 200)
    assert process.end() == 0


def _reading(process: Process, name: str) -> float:
    lines = Caller(process)("GET", "/metrics").body.decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


def _children(pid: int) -> list[int]:
    found = [
        Path(f"/proc/{pid}/task/{t}/children").read_text().split() for t in os.listdir(f"/proc/{pid}/task")
    ]
    return [int(child) for children in found for child in children if _lives(int(child))]


def _lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
