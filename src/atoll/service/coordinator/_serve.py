"""The daemon: a coordinator that runs until it is told to end.

Doesn't know which command started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from atoll.identity import IdentityError, Key
from atoll.journal import SqliteJournal
from atoll.service.coordinator._answers import log
from atoll.service.coordinator._clock import SystemClock
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._door import Door
from atoll.service.coordinator._embedded import keep_host
from atoll.service.coordinator._enrolment import Town
from atoll.service.coordinator._first import FEDERATION, FILE, First, Whereabouts
from atoll.service.coordinator._gate import Gate, SignatureGate, TokenGate
from atoll.service.coordinator._home import KEY, alone, announce, own_key, token, withdraw
from atoll.service.coordinator._issuer import Oidc
from atoll.service.coordinator._listen import Server, listen
from atoll.service.coordinator._logging import begin_logging
from atoll.service.coordinator._objects import Objects
from atoll.service.coordinator._readiness import Readiness
from atoll.service.coordinator._rosters import Rosters
from atoll.service.coordinator._settings import Settings
from atoll.service.coordinator._terms import Lifetimes
from atoll.store import DirectoryStore
from atoll.values import ConfigError
from atoll.wire import Address, Issuer, check_issuer, digest_of_authority, vouch

FILES = 1 << 17  # open at once, if the system lets us
DRAIN = 5.0  # seconds for requests under way, and for the host to end in


def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Be a coordinator until SIGTERM or ^C; `ready` is given its URL when it listens.

    Raises `ConfigError` (`coordinator.not-secure`, `coordinator.bad-home`, `coordinator.port-taken`,
    `coordinator.bad-certificate`, `coordinator.bad-public-url`, `coordinator.half-an-issuer`, `oidc.not-installed`) and
    `AtollError` (`coordinator.home-busy`, `oidc.bad-issuer`).
    """
    if not settings.loopback and not settings.secure:
        mend = "leave --tls on, or listen on 127.0.0.1 behind a proxy that speaks TLS"
        raise ConfigError(
            "coordinator.not-secure", f"{settings.host} can be reached by others, and TLS is off", mend
        )
    _check_issuer(settings)
    home = settings.home.expanduser().resolve()
    with alone(home), listen(settings.host, settings.port) as listening:
        begin_logging()
        _raise_limits()
        with asyncio.Runner(loop_factory=_loops()) as runner:
            runner.run(_serve(settings, home, listening, ready))


def _raise_limits() -> None:
    """A connection is an open file, and many systems begin with 1,024."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _calm_collector() -> None:
    """What is there stays; and a thousand waiting requests aren't looked through at every turn."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _loops() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loops where they are installed."""
    with contextlib.suppress(ImportError):
        made: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
        return made
    return None


async def _serve(
    settings: Settings, home: Path, listening: socket.socket, ready: Callable[[str], None] | None
) -> None:
    address, certificate, key = _secured(settings, home, listening.getsockname()[1])
    where = _whereabouts(settings, home, address)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(log.info, "the coordinator has ended")
        journal, store = SqliteJournal(home), DirectoryStore(home / "objects")
        stack.callback(journal.close)
        lifetimes = Lifetimes(machine=settings.machine_lifetime, user=settings.user_lifetime)
        rosters = partial(Rosters, lifetimes=lifetimes) if settings.identified else None
        desk = Desk(home, journal, store, rosters=rosters)
        stack.push_async_callback(desk.close)
        if where is not None:
            _open(desk, home, where, address, _issuer(settings))
        await desk.start()
        gate = _gate(settings, home, desk, address)
        objects, readiness = Objects(desk, store), Readiness(desk, home)
        stack.push_async_callback(objects.close)
        door = Door(desk, objects, readiness, gate)
        server = Server(door, listening, certificate=certificate, key=key)
        if settings.identified:
            address = replace(address, key=str(home / "host" / KEY), audience=gate.audience)
        await _until_told(server, address, home, settings.embedded_host, desk, readiness, ready)


async def _until_told(
    server: Server, address: Address, home: Path, with_host: bool, desk: Desk, readiness: Readiness,
    ready: Callable[[str], None] | None,
) -> None:  # fmt: skip
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told.set)
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(told.wait())
    host = asyncio.create_task(keep_host(address, home)) if with_host else None
    try:
        _calm_collector()
        announce(home, address)
        log.info("the coordinator listens at %s", address.url)
        if ready is not None:
            ready(address.url)
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)  # asked again: at once
        log.info("the coordinator ends: what is under way is finished")
        readiness.ending = True
        withdraw(home)
        waiting.cancel()
        desk.drain()
        if host is not None:
            host.cancel()
        server.stop()  # type: ignore[no-untyped-call]  # granian's
        await asyncio.wait({serving, *([host] if host else [])}, timeout=DRAIN + 1)
        if serving.done() and not serving.cancelled():
            serving.result()


def _whereabouts(settings: Settings, home: Path, address: Address) -> Whereabouts | None:
    """How others reach the coordinator; None when nobody does. Raises `ConfigError` (`coordinator.bad-public-url`)."""
    if not settings.identified:
        return None
    authority = Path(address.ca).read_text(encoding="ascii") if address.ca else ""
    where = Whereabouts(settings.public_url, own_key(home).id, digest_of_authority(authority))
    try:
        where.link(Key.make(), root=where.audience)
    except (IdentityError, ValueError) as error:
        message = f"{settings.public_url!r:.200} is no URL by which others can reach a coordinator"
        mend = "--public-url https://fl.example.org; without TLS only a machine's own: http://127.0.0.1:8765"
        raise ConfigError("coordinator.bad-public-url", message, mend) from error
    return where


def _check_issuer(settings: Settings) -> None:
    """Whether all is there that an issuer takes."""
    given = (settings.oidc_issuer, settings.oidc_client)
    if not any((*given, settings.oidc_audience)):
        return
    if not all(given) or not settings.identified:
        message = "an issuer vouches for the names of users who have keys, and knows the coordinator by a client's id"
        mend = "--public-url URL --oidc-issuer URL --oidc-client ID"
        raise ConfigError("coordinator.half-an-issuer", message, mend)
    check_issuer(settings.oidc_issuer)


def _issuer(settings: Settings) -> Oidc | None:
    if not settings.oidc_issuer:
        return None
    told = Issuer(issuer=settings.oidc_issuer, client=settings.oidc_client, audience=settings.oidc_audience)
    return Oidc(told, SystemClock())


def _open(desk: Desk, home: Path, where: Whereabouts, address: Address, issuer: Oidc | None) -> None:
    """Let others enrol, beginning with the first administrator."""
    rosters, first = desk.access.rosters, First(home, where)
    assert isinstance(rosters, Rosters)
    authority = Path(address.ca).read_text(encoding="ascii") if address.ca else ""
    vouched = vouch(authority, own_key(home), time=_since(address.ca))
    rosters.vouched = issuer is not None
    desk.open_to(Town(where.audience, authority, first, vouched, issuer), rosters)
    if rosters.get(FEDERATION) is not None:
        first.done()
        return
    first.link()
    log.info("nobody is its administrator yet: the link for the first one lies in %s", home / FILE)


def _since(authority: str) -> int:
    """When an authority's file was written."""
    return int(os.stat(authority).st_mtime) if authority else 0


def _gate(settings: Settings, home: Path, desk: Desk, address: Address) -> Gate:
    """How those are known who come. The host beside this coordinator has a key of its own, which is on no roster."""
    if not settings.identified:
        return TokenGate(address.token, local=settings.loopback)
    (home / "host").mkdir(exist_ok=True, mode=0o700)
    desk.access.trust(own_key(home / "host").public, "embedded")
    return SignatureGate(own_key(home).id, desk.access, desk.run_keys, now=time.time)


def _secured(settings: Settings, home: Path, port: int) -> tuple[Address, Path | None, Path | None]:
    """The address to tell others, and the files that TLS needs."""
    given = "" if settings.identified else token(home)
    if not settings.secure:
        return Address(_url("http", _dialled(settings.host), port), token=given), None, None
    from atoll.service.coordinator import _tls  # slow to import

    if not (settings.tls_cert and settings.tls_key):
        authority, certificate, key = _tls.self_made(home / "tls", settings.host, *_public(settings))
        url = _url("https", _dialled(settings.host), port)
        return Address(url, token=given, ca=str(authority)), certificate, key
    certificate, key = Path(settings.tls_cert).expanduser(), Path(settings.tls_key).expanduser()
    for path in (certificate, key):
        if not os.access(path, os.R_OK):
            mend = "--tls-cert FILE --tls-key FILE"
            raise ConfigError("coordinator.bad-certificate", f"{path} can't be read", mend)
    name, own = _tls.named(certificate, _dialled(settings.host))
    ca = str(certificate.resolve()) if own else ""
    return Address(_url("https", name, port), token=given, ca=ca), certificate, key


def _public(settings: Settings) -> list[str]:
    """The name by which others reach it."""
    host = urlsplit(settings.public_url).hostname
    return [host] if host else []


def _dialled(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
