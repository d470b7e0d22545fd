"""Reading and writing the safetensors layout: streamed out, memory-mapped in, every bound checked first.

Doesn't know what the arrays are for. The format: https://huggingface.co/docs/safetensors (8 bytes of header length,
a JSON header, the bytes). Written here rather than taken from the library since ours streams from the arrays
that exist (no second copy), gives mapped views, and names the file by its digest without a second pass.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from atoll.values._arrays import RESERVED, Array, Arrays
from atoll.values._dtypes import CODE, MAX_DIMENSIONS, dtype_of
from atoll.values._errors import ArraysError
from atoll.values._files import sync_folder, write_all

MAX_HEADER = 100_000_000  # bytes; the format's own limit
MAX_ARRAYS = 1_000_000
MAX_EXTENT = 1 << 48  # of an empty array's other dimensions together, within what numpy can express
PREFIX = "sha256:"


@dataclass(frozen=True, slots=True)
class Layout:
    """One file's plan: its header, and the order in which the arrays follow it."""

    header: bytes  # with the 8 bytes of its length
    order: tuple[str, ...]
    size: int  # of the whole file, bytes


class _Entry(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def plan(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> Layout:
    """Lay arrays out: wide dtypes first, so that each lies aligned; the header lists them in their own order."""
    order = sorted(arrays, key=lambda n: -arrays[n].itemsize)
    begins, offset = {}, 0
    for name in order:
        begins[name] = offset
        offset += arrays[name].nbytes
    entries: dict[str, object] = {RESERVED: dict(metadata)} if metadata else {}
    for name, a in arrays.items():
        begin = begins[name]
        entries[name] = _Entry(CODE[a.dtype.name], list(a.shape), (begin, begin + a.nbytes))
    text = msgspec.json.encode(entries)
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER or len(arrays) > MAX_ARRAYS:
        raise ArraysError(
            "arrays.too-large",
            f"{len(arrays):,} arrays need a header of {len(text):,} bytes, the limits are {MAX_ARRAYS:,} and {MAX_HEADER:,}",
            "put them into fewer arrays, or shorten their names",
        )
    header = len(text).to_bytes(8, "little") + text
    return Layout(header, tuple(order), len(header) + offset)


def parts(layout: Layout, arrays: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
    """The bytes of the file, piece by piece, without a copy."""
    yield layout.header
    for name in layout.order:
        array = arrays[name]
        if array.nbytes:
            yield array.reshape(-1).view(np.uint8).data


def digest(layout: Layout, arrays: Mapping[str, Array]) -> str:
    """`sha256:<hex>` of the file that the layout describes."""
    hasher = hashlib.sha256()
    for part in parts(layout, arrays):
        hasher.update(part)
    return PREFIX + hasher.hexdigest()


def to_bytes(arrays: Arrays) -> bytes:
    """The whole file in memory; for small arrays."""
    return b"".join(parts(arrays.layout, arrays))


def write_file(path: Path, arrays: Arrays, *, durable: bool = True) -> None:
    """Write beside the path, sync, rename: under its name the file is whole or not there."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb", buffering=0) as file:
            for part in parts(arrays.layout, arrays):
                write_all(file.fileno(), part)
            if durable:
                os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:  # it is raised on; what is left of the file goes
        beside.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def map_file(path: Path) -> tuple[Arrays, dict[str, str]]:
    """The arrays of a file as views of its pages, and its metadata."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise _malformed(str(path), f"it has {size} bytes")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return from_buffer(mapped, source=str(path))


def from_buffer(buffer: Any, *, source: str = "the message") -> tuple[Arrays, dict[str, str]]:
    """The arrays in a buffer that holds one whole file, as read-only views of it, and its metadata."""
    view = memoryview(buffer)
    length = int.from_bytes(view[:8], "little")
    if length > MAX_HEADER:
        raise ArraysError(
            "arrays.too-large", f"{source}: the header claims {length:,} bytes, the limit is {MAX_HEADER:,}"
        )
    if length > view.nbytes - 8:
        raise _malformed(source, "it ends inside its header")
    entries, metadata = _parse(bytes(view[8 : 8 + length]), view.nbytes - 8 - length, source)
    arrays = {n: _view(buffer, e, 8 + length) for n, e in entries.items()}
    return Arrays.trusted(arrays, owner=buffer), metadata


def _parse(header: bytes, room: int, source: str) -> tuple[dict[str, _Entry], dict[str, str]]:
    try:
        raw = _unique(header, source)
        metadata = msgspec.json.decode(raw.pop(RESERVED, msgspec.Raw(b"{}")), type=dict[str, str])
        if len(raw) > MAX_ARRAYS:
            raise ArraysError(
                "arrays.too-large", f"{source} names {len(raw):,} arrays, the limit is {MAX_ARRAYS:,}"
            )
        entries = {name: msgspec.json.decode(entry, type=_Entry) for name, entry in raw.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(source, f"its header is not what the format asks for ({error})") from error
    end = 0
    for name, entry in sorted(entries.items(), key=lambda pair: pair[1].data_offsets):
        end = _check(name, entry, end, source)
    if end != room:
        raise _malformed(source, f"the header describes {end:,} bytes of arrays, the file holds {room:,}")
    return entries, metadata


class _Name(str):
    """A key of the header: a type of its own, so that the decoder tells of each."""

    __slots__ = ()


def _unique(header: bytes, source: str) -> dict[str, msgspec.Raw]:
    """The header's entries, undecoded. A name that stands twice would mean different arrays to different readers."""
    names = 0

    def count(kind: type[_Name], name: str) -> _Name:
        nonlocal names
        names += 1
        return kind(name)

    raw = msgspec.json.decode(header, type=dict[_Name, msgspec.Raw], dec_hook=count)
    if len(raw) != names:
        raise _malformed(source, "its header gives a name twice")
    return {str(n): entry for n, entry in raw.items()}


def _check(name: str, entry: _Entry, begin: int, source: str) -> int:
    if entry.dtype not in CODE.values():
        raise _malformed(source, f"array `{name:.80}` has the unknown dtype {entry.dtype:.20}")
    if len(entry.shape) > MAX_DIMENSIONS or any(d < 0 for d in entry.shape):
        raise _malformed(source, f"array `{name:.80}` has an impossible shape")
    size = dtype_of(entry.dtype).itemsize * math.prod(entry.shape)
    if size == 0 and math.prod(d for d in entry.shape if d) > MAX_EXTENT:
        raise _malformed(source, f"array `{name:.80}` has an impossible shape")
    if entry.data_offsets != (begin, begin + size):
        raise _malformed(
            source, f"array `{name:.80}` should lie at {begin}-{begin + size}, not at {entry.data_offsets}"
        )
    return begin + size


def _view(buffer: Any, entry: _Entry, base: int) -> Array:
    dtype, (begin, end) = dtype_of(entry.dtype), entry.data_offsets
    if begin == end:
        array = np.empty(entry.shape, dtype)
    else:
        count = (end - begin) // dtype.itemsize
        array = np.frombuffer(buffer, dtype, count, base + begin).reshape(entry.shape)
    array.flags.writeable = False
    return array


def _malformed(source: str, why: str) -> ArraysError:
    return ArraysError(
        "arrays.malformed", f"{source} is no whole safetensors file: {why}", "fetch or write the file again"
    )
