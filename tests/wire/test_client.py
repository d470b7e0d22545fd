"""The client: what it tries again, what it takes for an answer, how it ends."""

from __future__ import annotations

import gc
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from crossing import DOWN, UP, Fate
from faulty_way import FaultyWay
from small_server import SmallServer, certificate, cut_short, hanging_up, refusing, tunnelling

from atoll.values import ConfigError
from atoll.wire import Address, Backoff, Client, Ok, Problem, Refused, Unreachable, _client
from atoll.wire._backoff import FIRST, MOST

SOON = 5.0  # seconds


class Clock:
    """Time that passes only while somebody waits; also the event that a client waits for."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return False


def client_of(address: Address, **options: Any) -> Client:
    return Client(address, agent="test/1", **{"patience": 0.0, **options})


def timeless(address: Address, patience: float | None) -> tuple[Client, Clock]:
    """A client whose waits take no time."""
    clock = Clock()
    client = client_of(address, patience=patience, clock=clock, chance=random.Random(1))
    client.closing = clock  # type: ignore[assignment]
    return client, clock


def ask(client: Client, **options: Any) -> Ok:
    return client.call("POST", "/v1/x", Ok(), Ok, **options)


@pytest.fixture
def client(server: SmallServer) -> Client:
    return client_of(server.address)


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return lambda name, value: monkeypatch.setenv(name, value)  # type: ignore[return-value]


# -- answers -----------------------------------------------------------------------------------------------------------


def test_a_request_says_who_asks(server, client):
    assert ask(client) == Ok()
    method, path, headers = server.seen[0]
    assert (method, path, server.bodies) == ("POST", "/v1/x", [b"{}"])
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["User-Agent"] == "test/1"
    assert headers["Host"] == f"localhost:{server.port}"


def test_a_thread_keeps_its_connection(server, client):
    for _ in range(3):
        ask(client)
    with ThreadPoolExecutor(1) as other:
        other.submit(ask, client).result()
    assert len(set(server.ports[:3])) == 1
    assert server.ports[3] not in server.ports[:3]


def test_a_thread_that_ends_takes_its_connection_with_it(server, client):
    with ThreadPoolExecutor(1) as other:
        other.submit(ask, client).result()
    gc.collect()
    assert len(client._open) == 0


def test_a_connection_that_was_closed_while_idle_is_no_failure(server, client):
    ask(client)
    server.hang_up()
    assert ask(client) == Ok()


def test_a_path_before_the_api_is_kept(server):
    ask(client_of(Address(server.address.url + "/atoll/")))
    assert server.seen[0][1] == "/atoll/v1/x"


def test_bytes_are_fetched(server, client):
    server.then(lambda handler: handler.answer(200, b"\0bundle"))
    assert client.fetch("/v1/bundles/x") == b"\0bundle"


@pytest.mark.parametrize(
    ("status", "exit_code"), [(400, 2), (401, 1), (404, 3), (409, 1), (413, 1), (500, 1)]
)
def test_a_refusal_is_told_as_it_is(server, client, status, exit_code):
    server.then(refusing(status, "run.fenced"))
    with pytest.raises(Refused) as refused:
        ask(client)
    error = refused.value
    assert (error.status, error.code, error.message, error.mend) == (status, "run.fenced", "no", "don't")
    assert error.exit_code == exit_code
    ask(client)
    assert len(set(server.ports)) == 1  # the connection serves on
    assert len(server.seen) == 2  # and nothing was asked twice


def test_a_refusal_that_is_not_the_coordinators_is_told_too(server, client):
    server.then(lambda handler: handler.answer(403, b"<html>no way"))
    with pytest.raises(Refused, match="403: <html>no way") as refused:
        ask(client)
    assert refused.value.code == "wire.refused"


@pytest.mark.parametrize("answer", [b"<html>", b'{"a"', b"[]", b""])
def test_an_answer_that_is_none_is_refused(server, answer):
    server.then(lambda handler: (handler.body(), handler.answer(200, answer)))
    with pytest.raises(Refused) as refused:
        ask(client_of(server.address, patience=None))
    assert refused.value.code == "wire.bad-answer"


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(
    "answer", [b'{"code":"\xff","message":"m"}', b'{"code":' + b"[" * 100_000, b'{"x":' + b"[" * 100_000]
)
def test_an_answer_that_is_no_text_or_has_no_end_is_refused(server, answer, status):
    server.then(lambda handler: (handler.body(), handler.answer(status, answer)))
    with pytest.raises(Refused) as refused:
        client_of(server.address, patience=None).call("POST", "/v1/x", Ok(), Problem)
    assert refused.value.code == ("wire.bad-answer" if status == 200 else "wire.refused")


def test_an_answer_larger_than_any_is_refused(server, client, monkeypatch):
    monkeypatch.setattr(_client, "LARGEST", 1000)
    server.then(lambda handler: (handler.body(), handler.answer(200, b" " * 1001)))
    with pytest.raises(Refused, match="more than 1,000 bytes"):
        ask(client)


def test_nobody_is_sent_elsewhere(server, client):
    server.then(refusing(307, Location="http://elsewhere.test/"))
    with pytest.raises(Refused) as refused:
        ask(client)
    assert refused.value.status == 307


def test_an_upload_refused_while_it_comes_is_a_refusal(server, client):
    server.then(cut_short)
    with pytest.raises(Refused) as refused:  # noqa: SIM117
        with client.answering("PUT", "/v1/x", iter([bytes(1 << 20)] * 64), length=64 << 20):
            pass
    assert refused.value.status == 413
    ask(client)  # on a new connection
    assert len(set(server.ports)) == 2


# -- patience ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_tried_again(server, status):
    client, clock = timeless(server.address, patience=60)
    server.then(refusing(status), refusing(status))
    assert ask(client) == Ok()
    assert len(clock.waits) == 2


def test_a_lost_connection_is_tried_again(server):
    client, clock = timeless(server.address, patience=60)
    server.then(hanging_up, hanging_up)
    assert ask(client) == Ok()
    assert len(clock.waits) == 2


def test_the_coordinator_says_how_long_it_puts_us_off(server):
    client, clock = timeless(server.address, patience=60)
    server.then(refusing(503, Retry_After="7"))
    ask(client)
    assert 7 <= clock.waits[0] <= 7 + FIRST


@pytest.mark.parametrize(("said", "most"), [("1000000", 60), ("soon", 0), ("-1", 0), ("", 0)])
def test_nobody_is_put_off_for_ever(server, said, most):
    client, clock = timeless(server.address, patience=60)
    server.then(refusing(503, Retry_After=said))
    ask(client)
    assert most <= clock.waits[0] <= most + FIRST


def test_patience_ends(server):
    server.close()
    client, clock = timeless(server.address, patience=60)
    with pytest.raises(Unreachable) as unreachable:
        ask(client)
    assert unreachable.value.code == "wire.unreachable"
    assert server.address.url in unreachable.value.message
    assert 60 <= clock.now < 60 + MOST


def test_no_patience_is_one_try(server):
    server.close()
    client, clock = timeless(server.address, patience=0.0)
    with pytest.raises(Unreachable):
        ask(client)
    assert clock.waits == []


def test_patience_for_ever_has_no_end(server):
    client, clock = timeless(server.address, patience=None)
    server.then(*[hanging_up] * 500)
    assert ask(client) == Ok()
    assert clock.now > 600


def test_patience_begins_anew_with_progress():
    clock, came = Clock(), 0
    client = client_of(Address("http://localhost:1"), patience=1.0, clock=clock, chance=random.Random(1))
    client.closing = clock  # type: ignore[assignment]

    def attempt() -> int:
        nonlocal came
        came += 1
        clock.now += 0.9
        if came < 100:
            raise ConnectionResetError
        return came

    assert client.patiently(attempt, moved=lambda: came) == 100
    came = 0
    with pytest.raises(Unreachable):
        client.patiently(attempt)


def test_waits_grow_with_full_jitter():
    backoff = Backoff(random.Random(7))
    waits = [[backoff.next() for _ in range(10)] for _ in range(200) if backoff.reset() is None]
    for tries, bound in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0]):
        drawn = sorted(each[tries] for each in waits)
        assert 0 <= drawn[0] < 0.1 * bound
        assert 0.9 * bound < drawn[-1] <= bound


def test_the_same_chance_draws_the_same_waits():
    one, other = Backoff(random.Random(3)), Backoff(random.Random(3))
    assert [one.next() for _ in range(9)] == [other.next() for _ in range(9)]


# -- a bad way ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset", "cut"])
@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("after", [0, 10, 90, 100])
def test_a_broken_way_is_tried_again(server, kind, direction, after):
    with FaultyWay(server.port) as way:
        client, _ = timeless(Address(f"http://localhost:{way.port}"), patience=60)
        ask(client)
        way.next(Fate(kind, direction, after), Fate(kind, direction, after))
        assert ask(client) == Ok()
        assert way.done[kind] == 2


@pytest.mark.parametrize("after", range(0, 200, 7))
def test_a_refusal_that_was_cut_off_is_not_taken_for_another(server, after):
    with FaultyWay(server.port) as way:
        client, _ = timeless(Address(f"http://localhost:{way.port}"), patience=60)
        server.then(refusing(409, "run.fenced"), refusing(409, "run.fenced"))
        way.next(Fate("cut", DOWN, after))
        with pytest.raises(Refused) as refused:
            ask(client)
        assert refused.value.code == "run.fenced"


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_silence_is_noticed(server, direction, monkeypatch):
    monkeypatch.setattr(_client, "MARGIN", 0.2)
    with FaultyWay(server.port) as way:
        client, clock = timeless(Address(f"http://localhost:{way.port}"), patience=60)
        way.next(Fate("silence", direction, 50))
        assert ask(client) == Ok()
        assert (way.done["silence"], len(clock.waits)) == (1, 1)


@pytest.mark.parametrize("kind", ["twice", "again-later"])
def test_a_way_may_repeat_a_request(server, kind):
    with FaultyWay(server.port) as way:
        client = client_of(Address(f"http://localhost:{way.port}"))
        way.next(Fate(kind))
        ask(client)
        client.call("POST", "/v1/y", Ok(), Ok)
        until = time.monotonic() + SOON
        while [path for _, path, _ in server.seen].count("/v1/x") < 2 and time.monotonic() < until:
            client.call("POST", "/v1/z", Ok(), Ok)
        assert [path for _, path, _ in server.seen].count("/v1/x") == 2


def test_a_way_may_let_a_request_overtake_another(server):
    with FaultyWay(server.port) as way, ThreadPoolExecutor(1) as other:
        client = client_of(Address(f"http://localhost:{way.port}"))
        client.call("POST", "/v1/before", Ok(), Ok)
        way.next(Fate("held-back"))
        first = other.submit(ask, client)
        until = time.monotonic() + SOON
        while not way.done["held-back"] and time.monotonic() < until:
            threading.Event().wait(0.001)
        client.call("POST", "/v1/y", Ok(), Ok)
        first.result(SOON)
        assert [path for _, path, _ in server.seen] == ["/v1/before", "/v1/y", "/v1/x"]


def test_the_same_seed_meets_the_same_fates(server):
    drawn = []
    for _ in range(2):
        with FaultyWay(server.port, seed=5, chances={"reset": 0.3, "cut": 0.3}) as way:
            chance = random.Random("5/1")
            drawn.append([way.fate(chance) for _ in range(50)])
    assert drawn[0] == drawn[1]
    assert {fate.kind for fate in drawn[0]} == {"well", "reset", "cut"}


# -- the end -----------------------------------------------------------------------------------------------------------


def closed_while(client: Client, busy: Callable[[], bool]) -> None:
    """Close a client while another thread asks; it must hear of it at once."""
    with ThreadPoolExecutor(1) as other:
        asking: Future[Ok] = other.submit(ask, client, wait=60)
        until = time.monotonic() + SOON
        while not busy() and time.monotonic() < until:
            threading.Event().wait(0.001)
        assert busy()
        began = time.monotonic()
        client.close()
        with pytest.raises(Unreachable) as closed:
            asking.result(SOON)
        assert closed.value.code == "wire.closed"
        assert time.monotonic() - began < 1


def test_a_request_that_waits_is_ended(server):
    forever = threading.Event()
    server.then(lambda _: forever.wait(SOON))
    closed_while(client_of(server.address, patience=None), lambda: bool(server.seen))
    forever.set()


def test_a_wait_for_the_next_try_is_ended(server, monkeypatch):
    monkeypatch.setattr("atoll.wire._backoff.FIRST", 1000.0)
    server.then(hanging_up)
    client = client_of(server.address, patience=None, chance=random.Random(1))
    closed_while(client, lambda: bool(server.seen))


def test_a_connection_that_nobody_takes_is_ended():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, socket.socket() as first:
        first.connect(listening.getsockname())
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(listening.getsockname())
            client = client_of(Address(f"http://127.0.0.1:{listening.getsockname()[1]}"), patience=None)
            closed_while(client, lambda: any(c.sock is not None for c in list(client._open)))


def test_a_handshake_that_nobody_answers_is_ended(tmp_path):
    with socket.create_server(("localhost", 0), family=socket.AF_INET) as listening:
        pem = certificate(tmp_path)
        address = Address(f"https://localhost:{listening.getsockname()[1]}", ca=str(pem))
        client, taken = client_of(address, patience=None), []
        with ThreadPoolExecutor(1) as taker:
            taker.submit(lambda: taken.append(listening.accept()))
            closed_while(client, lambda: bool(taken))
        taken[0][0].close()


def test_an_end_while_a_socket_becomes_a_secure_one_is_heard(tmp_path, monkeypatch):
    """Just then the plain socket has no descriptor any more, and the secure one isn't the connection's yet."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = Address(f"https://127.0.0.1:{listening.getsockname()[1]}", ca=str(certificate(tmp_path)))
        client, wrap = client_of(address, patience=None), ssl.SSLContext.wrap_socket

        def wrapped(*args: Any, **options: Any) -> ssl.SSLSocket:
            secure = wrap(*args, **options)
            client.close()
            return secure

        monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrapped)
        with ThreadPoolExecutor(1) as other, pytest.raises(Unreachable) as closed:
            other.submit(ask, client).result(SOON)
        assert closed.value.code == "wire.closed"


def test_a_closed_client_asks_nothing(server, client):
    ask(client)
    client.close()
    with pytest.raises(Unreachable) as closed:
        ask(client)
    assert closed.value.code == "wire.closed"
    assert len(server.seen) == 1


# -- TLS and proxies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[SmallServer]:
    name = "coordinator.test"
    with SmallServer(certificate=certificate(tmp_path, name), name=name) as server:
        yield server


def test_a_server_of_the_right_certificate_is_trusted(tmp_path):
    with SmallServer(certificate=certificate(tmp_path)) as server:
        client = client_of(server.address)
        ask(client)
        ask(client)
        assert len(set(server.ports)) == 1


@pytest.mark.parametrize("name", ["localhost", "elsewhere.test"])
def test_another_certificate_is_refused_at_once(tmp_path, name):
    """Self-made by somebody else; or rightly made, but for another name."""
    own = certificate(tmp_path, name)
    (tmp_path / "other").mkdir()
    ca = own if name != "localhost" else certificate(tmp_path / "other")
    with SmallServer(certificate=own) as server:
        client = client_of(Address(server.address.url, token="t0ken", ca=str(ca)), patience=60)
        with pytest.raises(Unreachable) as unreachable:
            ask(client)
        assert unreachable.value.code == "wire.untrusted"
        assert server.seen == []


def test_a_daemon_waits_for_a_certificate_to_be_mended(tmp_path):
    with SmallServer(certificate=certificate(tmp_path, "elsewhere.test")) as server:
        client, clock = timeless(server.address, patience=None)
        clock.wait = lambda seconds: clock.waits.append(seconds) or len(clock.waits) > 3  # type: ignore[method-assign]
        with pytest.raises(Unreachable) as closed:
            ask(client)
        assert closed.value.code == "wire.closed"


def test_a_plain_proxy_is_given_whole_urls(server, proxied):
    proxied("HTTP_PROXY", f"http://me:s%40cret@127.0.0.1:{server.port}")
    ask(client_of(Address("http://coordinator.test:8765/atoll")))
    _, path, headers = server.seen[0]
    assert path == "http://coordinator.test:8765/atoll/v1/x"
    assert headers["Host"] == "coordinator.test:8765"
    assert headers["Proxy-Authorization"] == "Basic bWU6c0BjcmV0"


def test_a_proxy_lets_tls_through(server, secure, proxied):
    proxied("HTTPS_PROXY", f"http://me:s%40cret@127.0.0.1:{server.port}")
    server.then(tunnelling(secure.port))
    client = client_of(secure.address)
    ask(client)
    ask(client)
    method, path, headers = server.seen[0]
    assert (method, path, len(server.seen)) == ("CONNECT", f"coordinator.test:{secure.port}", 1)
    assert headers["Proxy-Authorization"] == "Basic bWU6c0BjcmV0"
    assert "Authorization" not in headers
    assert "Proxy-Authorization" not in secure.seen[0][2]
    assert secure.seen[0][2]["Host"] == f"coordinator.test:{secure.port}"


def test_a_proxy_that_wants_a_password_says_so_at_once(server, secure, proxied):
    proxied("HTTPS_PROXY", f"127.0.0.1:{server.port}")
    server.then(refusing(407))
    with pytest.raises(Unreachable, match="the proxy answered 407"):
        ask(client_of(secure.address, patience=60))


def test_a_proxy_whose_upstream_is_away_is_tried_again(server, secure, proxied):
    proxied("HTTPS_PROXY", f"127.0.0.1:{server.port}")
    server.then(refusing(502), refusing(503), tunnelling(secure.port))
    client, clock = timeless(secure.address, patience=60)
    assert ask(client) == Ok()
    assert len(clock.waits) == 2


def test_what_no_proxy_names_is_asked_directly(server, proxied, monkeypatch):
    proxied("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    proxied("NO_PROXY", ".inside.test")
    dialled = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: dialled.append(host) or [])
    with pytest.raises(Unreachable):
        ask(client_of(Address("http://coordinator.inside.test")))
    assert dialled == ["coordinator.inside.test"]


def test_this_machine_is_never_asked_through_a_proxy(server, proxied):
    proxied("HTTP_PROXY", "http://127.0.0.1:1")
    for host in ("localhost", "127.0.0.1"):
        assert ask(client_of(Address(f"http://{host}:{server.port}"))) == Ok()


@pytest.mark.parametrize("url", ["", "localhost:8765", "ftp://x", "http://", "http://x:port", "https://[::1"])
def test_what_is_no_address_is_told(url):
    with pytest.raises(ConfigError) as error:
        client_of(Address(url))
    assert error.value.code == "wire.bad-address"


@pytest.mark.parametrize("proxy", ["socks5://x:1", "https://x:1", "http://:1", "http://x:port"])
def test_a_proxy_of_another_kind_is_told(proxied, proxy):
    proxied("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigError, match="HTTPS_PROXY"):
        client_of(Address("https://coordinator.test"))


def test_a_certificate_that_is_none_is_told(tmp_path):
    (tmp_path / "ca").write_text("-")
    for ca in ("ca", "nowhere"):
        with pytest.raises(ConfigError) as error:
            client_of(Address("https://x", ca=str(tmp_path / ca)))
        assert error.value.code == "wire.bad-ca"
