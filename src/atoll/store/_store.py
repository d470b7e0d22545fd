"""The seam of every store: immutable objects, named by the digest of their bytes.

Doesn't know where the bytes lie.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from atoll.values import NotFound, ObjectDamaged, StoreError

Buffer: TypeAlias = bytes | bytearray | memoryview

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class Part(Protocol):
    """An object on its way in. Leaving the `with` block before `finish` keeps the bytes that came: `held` of the next one.

    One thread at a time uses it, not always the same one.
    """

    digest: str
    size: int

    @property
    def held(self) -> int:
        """Bytes that are here already; those to be written next begin there."""

    def write(self, chunk: Buffer) -> None:
        """Take the next bytes. Raises `DiskFull`, `StoreError` (`object.too-long`)."""

    def finish(self) -> None:
        """Check the hash and make the object durable under its name.

        Raises `StoreError` (`object.cut-off`) when bytes are missing yet, `ObjectDamaged` when they are others
        than the digest names (they are put aside, and the object begins anew), and `DiskFull`.
        """

    def close(self) -> None:
        """Let go; what came is kept for the next one."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Store(Protocol):
    """Objects by digest (`sha256:<hex>`). Every method may be called by any thread.

    A digest that isn't one raises `StoreError` (`object.bad-digest`), an object that isn't there `NotFound`
    (`object.missing`), one whose bytes are no longer those that came `ObjectDamaged` (`object.damaged`): it is put
    aside and counts as missing from then on. All but `has`, `held`, `size` and `remove` may have to read a whole
    object once, so they are not for the thread of an event loop.
    """

    def has(self, digests: Iterable[str]) -> set[str]:
        """Those of them that are here. Who asks counts on them: for `sweep`, they are as young as new ones."""

    def held(self, digests: Iterable[str], *, apart: str = "") -> dict[str, int]:
        """How many bytes have come of those that are not whole yet, and that nobody is receiving now.

        `apart`: of those that came to this name, as in `receive`.
        """

    def size(self, digest: str) -> int:
        """Bytes of an object."""

    def open(self, digest: str) -> memoryview:
        """The object's bytes, read-only; nothing is read until it is touched."""

    def read(self, digest: str, offset: int, length: int) -> bytes:
        """A small piece of an object. Raises `StoreError` (`object.bad-range`) when it isn't all inside."""

    def path(self, digest: str) -> Path | None:
        """The file that holds the object, for sending it without a copy; None for a store without files."""

    def put(self, digest: str, body: Buffer) -> None:
        """Keep an object, durably. Raises `ObjectDamaged` when the digest is not that of the bytes, and `DiskFull`."""

    def put_all(self, blobs: Mapping[str, Buffer]) -> None:
        """Keep several objects: quicker than one by one."""

    def adopt(self, path: Path, digest: str = "") -> str:
        """Make a file an object, which takes the file away in any case; returns its digest, checked if given.

        Raises `StoreError` (`object.not-a-file`) for a link, a pipe or nothing at all, and what `put` raises.
        """

    def receive(self, digest: str, size: int, *, apart: str = "") -> Part:
        """Take an object in piece by piece, from where the last attempt was cut off.

        When another receiver is at it, this one begins at zero, beside it; an object that is here already is all held.
        `apart`: nothing is held but what came to this name itself, and all of it has to come: whoever sends it learns
        nothing about the others, and proves that they have it. Raises `DiskFull` when there is no room for it.
        """

    def settle(self, parts: Sequence[Part]) -> set[str]:
        """Finish several at once: quicker than one by one. Returns the digests of those that were damaged."""

    def verify(self, digest: str) -> None:
        """Read an object, and compare its hash with its name."""

    def remove(self, digest: str) -> None:
        """Forget an object; one that is not here is forgotten already."""

    def digests(self) -> Iterator[str]:
        """All objects."""

    def sweep(self, keep: Collection[str], older_than: float) -> set[str]:
        """Forget every object but those to keep and those younger than so many seconds; returns what was forgotten.

        So are parts and damaged objects that nobody has touched for so long, but never a part that is being received.
        """


def hex_of(digest: str) -> str:
    """The hexadecimal part of a digest, which is fit for a file's name."""
    if found := _DIGEST.fullmatch(digest):
        return found[1]
    raise StoreError(
        "object.bad-digest", f"{digest!r:.100} is no digest", "name objects sha256:<64 hexadecimal digits>"
    )


def digest_bytes(body: Buffer) -> str:
    """The digest of bytes."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def missing(digest: str) -> NotFound:
    """There is no such object."""
    return NotFound("object.missing", f"there is no object {digest}", "send it again")


def damaged(digest: str, how: str) -> ObjectDamaged:
    """The bytes are not those of the digest."""
    return ObjectDamaged(
        "object.damaged", f"object {digest} is damaged: {how}", "it was put aside: send it again"
    )


def too_long(digest: str, size: int) -> StoreError:
    """More bytes came than were announced."""
    return StoreError(
        "object.too-long", f"more than the {size:,} bytes of object {digest} came", "send its size rightly"
    )


def cut_off(digest: str, held: int, size: int) -> StoreError:
    """Fewer bytes came than were announced."""
    return StoreError(
        "object.cut-off", f"{held:,} of the {size:,} bytes of object {digest} came", "send the rest"
    )


def bad_range(digest: str, offset: int, length: int, size: int) -> StoreError:
    """A piece that isn't all inside of its object."""
    return StoreError(
        "object.bad-range", f"object {digest} has {size:,} bytes: {length:,} from {offset:,} on is not in it"
    )
