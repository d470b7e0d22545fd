"""A small HTTP server: scripted answers, and objects as the coordinator's door takes and gives them, in a store of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import msgspec

from atoll.store import MemoryStore, Store
from atoll.values import NotFound
from atoll.wire import Address, Fetch, Lack, Lacking, Ok, Problem, Stored

Script = Callable[["Handler"], None]


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Who hangs up is no error here."""


class SmallServer:
    """Serves until it is closed. `then` scripts the answers to the next requests; what isn't scripted is `Ok` or objects."""

    def __init__(
        self, store: Store | None = None, *, certificate: Path | None = None, name: str = "localhost"
    ) -> None:
        self.store: Store = store or MemoryStore()
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.ports: list[int] = []  # of the client, for each request
        self.received = 0  # bytes of objects
        self.sent = 0
        self.unscrambled = deque[Callable[[bytes], bytes]]()  # what to do to the bytes of the next fetches
        self._script: deque[Script] = deque()
        self._connections: set[socket.socket] = set()
        self._server = _Quiet(("127.0.0.1", 0), type("_Handler", (Handler,), {"server_": self}))
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        scheme = "https" if certificate else "http"
        self.address = Address(f"{scheme}://{name}:{self.port}", token="t0ken", ca=str(certificate or ""))
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def then(self, *scripts: Script) -> None:
        """How the next requests are answered."""
        self._script.extend(scripts)

    def close(self) -> None:
        """End, with every connection."""
        self._server.shutdown()
        self._server.server_close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connections, as a server does that has had nothing to do for long."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server_: SmallServer

    def setup(self) -> None:
        super().setup()
        self.server_._connections.add(self.connection)

    def finish(self) -> None:
        self.server_._connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        self.server_.seen.append((self.command, self.path, dict(self.headers.items())))
        self.server_.ports.append(self.client_address[1])
        try:
            if self.server_._script:
                self.server_._script.popleft()(self)
            elif self.path.startswith("/v1/objects"):
                self._guarded()
            else:
                self.server_.bodies.append(self.body())
                self.answer(200, msgspec.json.encode(Ok()))
        except OSError:
            self.close_connection = True

    do_POST = do_PUT = do_CONNECT = do_GET

    def body(self) -> bytes:
        """All of the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None: ...

    def _guarded(self) -> None:
        try:
            self._objects()
        except NotFound as error:
            self.answer(404, msgspec.json.encode(Problem(code=error.code, message=error.message)))

    def _objects(self) -> None:
        if self.command == "PUT":
            self._put()
        elif self.path.endswith("/lack"):
            asked = msgspec.json.decode(self.body(), type=Lack).objects
            store, here = self.server_.store, self.server_.store.has(asked)
            held = store.held(asked)
            lack = {d: held.get(d, 0) for d in asked if d not in here}
            self.answer(200, msgspec.json.encode(Lacking(lack=lack)))
        else:
            fetch = msgspec.json.decode(self.body(), type=Fetch)
            content = b"".join(self.server_.store.read(d, at, count) for d, at, count in fetch.pieces)
            if self.server_.unscrambled:
                content = self.server_.unscrambled.popleft()(content)
            self.server_.sent += len(content)
            self.answer(200, content)

    def _put(self) -> None:
        count = int.from_bytes(self.rfile.read(8), "little")
        listed = json.loads(self.rfile.read(count))
        with contextlib.ExitStack() as stack:
            parts = []
            for digest, size, offset in listed:
                part = stack.enter_context(self.server_.store.receive(digest, size))
                parts.append(part)
                if part.held < offset:
                    self.answer(409, msgspec.json.encode(Problem(code="object.gap", message="gap")))
                    self.close_connection = True
                    return
                self.rfile.read(part.held - offset)
                while part.held < size:
                    piece = self.rfile.read1(min(1 << 16, size - part.held))  # type: ignore[attr-defined]
                    if not piece:
                        raise ConnectionResetError
                    self.server_.received += len(piece)
                    part.write(piece)
            damaged = self.server_.store.settle(parts)
        self.answer(200, msgspec.json.encode(Stored(stored=[d for d, _, _ in listed if d not in damaged])))


def refusing(status: int, code: str = "test.no", **headers: str) -> Script:
    """Answers with a problem."""

    def script(handler: Handler) -> None:
        handler.body()
        handler.answer(status, msgspec.json.encode(Problem(code=code, message="no", mend="don't")), **headers)

    return script


def hanging_up(handler: Handler) -> None:
    """Answers nothing and closes."""
    handler.body()
    handler.close_connection = True


def cut_short(handler: Handler) -> None:
    """Refuses an upload while it comes, and closes."""
    handler.rfile.read(8)
    handler.answer(413, msgspec.json.encode(Problem(code="test.too-large", message="too large")))
    handler.connection.shutdown(socket.SHUT_WR)
    handler.close_connection = True


def tunnelling(port: int) -> Script:
    """Answers as a proxy does that lets a client through to a port of this machine."""

    def script(handler: Handler) -> None:
        with socket.create_connection(("127.0.0.1", port)) as up:
            handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            handler.wfile.flush()
            back = threading.Thread(target=_pump, args=(up, handler.connection), daemon=True)
            back.start()
            _pump(handler.connection, up)
            back.join()
        handler.close_connection = True

    return script


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def certificate(folder: Path, name: str = "localhost") -> Path:
    """A self-made certificate with its key, in one PEM file."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / f"{name}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path
