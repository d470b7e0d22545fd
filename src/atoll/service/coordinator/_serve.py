"""The daemon: a coordinator that runs until it is told to end.

Doesn't know which command started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from atoll.journal import FileLock, SqliteJournal
from atoll.service.coordinator._answers import log
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._door import Door
from atoll.service.coordinator._embedded import keep_host
from atoll.service.coordinator._objects import Objects
from atoll.service.coordinator._settings import Settings
from atoll.service.coordinator._tls import self_made
from atoll.store import DirectoryStore
from atoll.values import AtollError, ConfigError, JournalError
from atoll.wire import Address

WAITING = 100_000  # requests that may wait at once
DRAIN = 8.0  # seconds for those under way


def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Be a coordinator until SIGTERM or ^C; `ready` is given its URL when it listens.

    Raises `ConfigError` (`coordinator.not-secure`, `coordinator.bad-home`, `coordinator.port-taken`,
    `coordinator.bad-certificate`) and `AtollError` (`coordinator.home-busy`).
    """
    if not settings.loopback and not settings.secure:
        mend = "leave --tls on, or listen on 127.0.0.1 behind a proxy that speaks TLS"
        raise ConfigError(
            "coordinator.not-secure", f"{settings.host} can be reached by others, and TLS is off", mend
        )
    home = settings.home.expanduser().resolve()
    with _alone(home):
        _free(settings)
        _logging()
        asyncio.run(_serve(settings, home, ready))


async def _serve(settings: Settings, home: Path, ready: Callable[[str], None] | None) -> None:
    address, certificate, key = _secured(settings, home)
    journal, store = SqliteJournal(home), DirectoryStore(home / "objects")
    desk = Desk(home, journal, store)
    await desk.start()
    objects, ending = Objects(desk, store), asyncio.Event()

    def unready() -> str:
        return "draining" if ending.is_set() else ("stalled" if desk.readings()["stalled"] else "")

    door = Door(desk, objects, token=address.token, local=settings.loopback, ready=unready)
    server = Server(
        door, address=settings.host, port=settings.port, interface=Interfaces.RSGI, websockets=False, backlog=1024,
        backpressure=WAITING, log_enabled=False, ssl_cert=certificate, ssl_key=key,
        http1_settings=HTTP1Settings(keep_alive=True),
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ending.set)
    embedded: asyncio.Task[None] | None = None
    try:
        await _listening(settings, serving)
        _announce(home, address)
        if settings.embedded_host:
            embedded = asyncio.create_task(keep_host(address, home))
        log.info("the coordinator listens at %s", address.url)
        if ready is not None:
            ready(address.url)
        over = asyncio.create_task(ending.wait())
        await asyncio.wait({serving, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.set()
        (home / "address").unlink(missing_ok=True)
        desk.drain()
        if embedded is not None:
            embedded.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await embedded
        server.stop()  # type: ignore[no-untyped-call]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(serving), DRAIN)
        await desk.close()
        objects.close()
        journal.close()
        log.info("the coordinator has ended")


def _secured(settings: Settings, home: Path) -> tuple[Address, Path | None, Path | None]:
    """The address to tell others, and the files that TLS needs."""
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    name = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else name
    if not settings.secure:
        return Address(f"http://{name}:{settings.port}", token=_token(home)), None, None
    if settings.tls_cert and settings.tls_key:
        certificate, key = Path(settings.tls_cert).expanduser(), Path(settings.tls_key).expanduser()
        for path in (certificate, key):
            if not os.access(path, os.R_OK):
                raise ConfigError(
                    "coordinator.bad-certificate", f"{path} can't be read", "--tls-cert FILE --tls-key FILE"
                )
        return (
            Address(f"https://{name}:{settings.port}", token=_token(home), ca=str(certificate)),
            certificate,
            key,
        )
    authority, certificate, key = self_made(home / "tls", settings.host)
    return Address(f"https://{name}:{settings.port}", token=_token(home), ca=str(authority)), certificate, key


def _alone(home: Path) -> contextlib.ExitStack:
    """While this is open, the home is this coordinator's."""
    stack = contextlib.ExitStack()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        stack.callback(FileLock(home / "lock", what=str(home)).release)
    except JournalError:
        mend = "use that one, stop it, or give this one a home of its own (--home)"
        raise AtollError("coordinator.home-busy", f"another coordinator runs in {home}", mend) from None
    except OSError as error:
        message = f"{home} can't be a coordinator's home: {error.strerror or error}"
        raise ConfigError("coordinator.bad-home", message, "give another: --home FOLDER") from error
    return stack


def _free(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            message = f"{settings.host}:{settings.port} can't be listened on: {error.strerror or error}"
            raise ConfigError("coordinator.port-taken", message, "give another: --port 8766") from error


async def _listening(settings: Settings, serving: asyncio.Task[None]) -> None:
    until = time.monotonic() + 30
    while True:
        if serving.done():
            serving.result()
            raise ConfigError(
                "coordinator.port-taken", f"port {settings.port} can't be listened on", "--port 8766"
            )
        try:
            _, writer = await asyncio.open_connection(settings.host, settings.port)
            writer.close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.005)  # the server does not tell


def _token(home: Path) -> str:
    path = home / "token"
    with contextlib.suppress(FileNotFoundError):
        if len(known := path.read_text(encoding="ascii").strip()) >= 32:
            return known
    token = secrets.token_urlsafe(32)
    _write(path, token)
    return token


def _announce(home: Path, address: Address) -> None:
    _write(home / "address", json.dumps({"url": address.url, "pid": os.getpid(), "ca": address.ca}))


def _write(path: Path, text: str) -> None:
    beside = path.with_suffix(".part")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


class _Lines(logging.Formatter):
    """A JSON document a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _utc(record), "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _Text(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _utc(record)


def _utc(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


def _logging() -> None:
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(_Text("%(asctime)s %(message)s") if sys.stderr.isatty() else _Lines())
    log.handlers, log.propagate = [output], False
    log.setLevel(logging.INFO)
