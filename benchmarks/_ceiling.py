"""What the machine itself can do: bytes sent over TLS, hashed and written durably at the other end, and nothing else.

Does not know Atoll: sockets, `hashlib` and files of the standard library. Run as a program it is one client.
"""

from __future__ import annotations

import hashlib
import os
import queue
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

PIECE = 1 << 20


def legs(
    folder: Path, certificate: Path, key: Path, *, size: int, clients: int, keep: bool
) -> dict[str, float]:
    """Seconds for `clients` processes to take `size` bytes each at once ("down"), to send as many ("up"), and for one
    alone to send ("one up"). With `keep`, the receiver hashes and writes durably."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    source = folder / "source"
    with open(source, "wb") as file:
        for _ in range(size // PIECE):
            file.write(os.urandom(PIECE))
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listening, context, folder, size, keep), daemon=True).start()
    port = listening.getsockname()[1]
    try:
        return {
            name: _together(count, port, way, folder, size, keep)
            for name, way, count in (("down", "down", clients), ("up", "up", clients), ("one up", "up", 1))
        }
    finally:
        listening.close()
        for path in folder.glob("taken-*"):
            path.unlink()
        source.unlink()


def take(receive: ssl.SSLSocket, size: int, path: Path | None) -> None:
    """Receive so many bytes; with a path, hash them in a second thread and write them durably."""
    if path is None:
        piece = memoryview(bytearray(PIECE))
        while size:
            size -= receive.recv_into(piece, min(PIECE, size))
        return
    pieces: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
    free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
    for _ in range(8):
        free.put(bytearray(PIECE))

    def keep() -> None:
        hasher = hashlib.sha256()
        with open(path, "wb", buffering=0) as file:
            while (piece := pieces.get()) is not None:
                hasher.update(piece)
                file.write(piece)
                free.put(piece.obj)  # type: ignore[arg-type]
            os.fsync(file.fileno())

    keeper = threading.Thread(target=keep)
    keeper.start()
    while size:
        buffer, filled = memoryview(free.get()), 0
        while filled < min(PIECE, size):
            filled += receive.recv_into(buffer[filled:], min(PIECE, size) - filled)
        pieces.put(buffer[:filled])
        size -= filled
    pieces.put(None)
    keeper.join()


def give(send: ssl.SSLSocket, path: Path) -> None:
    """Send a file."""
    piece = bytearray(PIECE)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(piece):
            send.sendall(memoryview(piece)[:count])


def _serve(listening: socket.socket, context: ssl.SSLContext, folder: Path, size: int, keep: bool) -> None:
    number = 0
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        number += 1
        path = folder / f"taken-server-{number}"
        threading.Thread(
            target=_answer, args=(connection, context, folder, path if keep else None, size)
        ).start()


def _answer(
    connection: socket.socket, context: ssl.SSLContext, folder: Path, path: Path | None, size: int
) -> None:
    with context.wrap_socket(connection, server_side=True) as secure:
        if secure.recv(1) == b"d":
            give(secure, folder / "source")
        else:
            take(secure, size, path)
        secure.sendall(b"!")


def _together(count: int, port: int, way: str, folder: Path, size: int, keep: bool) -> float:
    command = [sys.executable, __file__, str(port), way, str(folder), str(size), str(int(keep))]
    children = [
        subprocess.Popen([*command, str(i)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for i in range(count)
    ]
    for child in children:
        assert child.stdout
        child.stdout.read(1)  # connected
    begun = time.perf_counter()
    for child in children:
        assert child.stdin
        child.stdin.write(b"!")
        child.stdin.flush()
    for child in children:
        if child.wait():
            raise RuntimeError("a client of the ceiling failed")
    return time.perf_counter() - begun


def _client(port: int, way: str, folder: Path, size: int, keep: bool, number: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as secure:
        print("!", end="", flush=True)
        sys.stdin.read(1)
        secure.sendall(way[:1].encode())
        if way == "down":
            take(secure, size, folder / f"taken-client-{number}" if keep else None)
        else:
            give(secure, folder / "source")
        secure.recv(1)


if __name__ == "__main__":
    port, way, folder, size, keep, number = sys.argv[1:]
    _client(int(port), way, Path(folder), int(size), keep == "1", int(number))
