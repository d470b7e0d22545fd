"""Payloads as manifests: what stands in a message, and the objects beside it that hold the arrays' bytes.

Doesn't know how objects travel, or where they are kept. Every claim of a manifest is checked before anything is opened
or allocated: a manifest describes its objects exactly, byte for byte, as a safetensors file does.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np

from atoll.store import Buffer, digest_bytes, hex_of
from atoll.values import (
    CODE,
    MAX_ARRAYS,
    MAX_DIMENSIONS,
    MAX_EXTENT,
    MAX_PLAIN,
    NUMPY_NAME,
    RESERVED,
    Array,
    Arrays,
    ArraysError,
    AtollError,
    Payload,
    checked,
    dtype_of,
    is_text,
)
from atoll.wire._messages import INLINE, Manifest, Tensor
from atoll.wire._run_messages import TaskSpec

OWN = 64 << 10  # bytes from which on an array is an object of its own
PACK = 16 << 20  # bytes of one pack of small arrays
ALIGN = 64
MAX_NAME = 4096  # characters of an array's name
_THREADED = 8 << 20  # bytes from which on several threads hash

_Blobs = dict[str, memoryview]


# -- out --------------------------------------------------------------------------------------------------------


def split(payload: Payload) -> tuple[Manifest, _Blobs]:
    """A payload's manifest, and its objects by digest: views of the arrays, but for the packs of small ones.

    Raises `ArraysError` (`arrays.too-large`), and what `checked` raises.
    """
    groups = {n: v for n, v in payload.items() if isinstance(v, Arrays)}
    rest = checked({n: v for n, v in payload.items() if n not in groups})
    plain = msgspec.msgpack.encode(rest) if rest else b""
    arrays = [a for group in groups.values() for a in group.values()]
    _fit(groups, len(arrays))
    small = sum(-(-a.nbytes // ALIGN) * ALIGN for a in arrays)
    inline = len(plain) + small <= INLINE
    packing = _Packing()
    own = [] if inline else [a for a in arrays if a.nbytes >= OWN]
    names = dict(zip(map(id, own), _digests(own), strict=True))
    found = {
        name: [
            packing.add(n, a) if id(a) not in names else _own(n, a, names[id(a)]) for n, a in group.items()
        ]
        for name, group in groups.items()
    }
    blobs = {names[id(a)]: _bytes(a) for a in own}
    if inline:
        return Manifest(plain=plain, groups=found, inline=bytes(packing.packs[0])), blobs
    packs = packing.finish(blobs)
    found = {name: [_named(t, packs) for t in group] for name, group in found.items()}
    return Manifest(plain=plain, groups=found, objects={d: b.nbytes for d, b in blobs.items()}), blobs


class _Packing:
    """Small arrays, one after the other; until they have digests, packs go by their numbers."""

    def __init__(self) -> None:
        self.packs = [bytearray()]

    def add(self, name: str, array: Array) -> Tensor:
        if not array.nbytes:
            return Tensor(name, CODE[array.dtype.name], list(array.shape), "")
        if len(self.packs[-1]) + array.nbytes > PACK:
            self.packs.append(bytearray())
        pack = self.packs[-1]
        pack += bytes(-len(pack) % ALIGN)
        offset = len(pack)
        pack += _bytes(array)
        number = len(self.packs) - 1
        return Tensor(name, CODE[array.dtype.name], list(array.shape), str(number or ""), offset)

    def finish(self, blobs: _Blobs) -> dict[str, str]:
        """Make the packs objects; returns their digests by their numbers."""
        found = {}
        for number, pack in enumerate(self.packs):
            if pack:
                digest = found[str(number or "")] = digest_bytes(pack)
                blobs[digest] = memoryview(pack).toreadonly()
        return found


def _named(tensor: Tensor, packs: Mapping[str, str]) -> Tensor:
    if tensor.object.startswith("sha256:") or not math.prod(tensor.shape):
        return tensor
    return msgspec.structs.replace(tensor, object=packs[tensor.object])


def _own(name: str, array: Array, digest: str) -> Tensor:
    return Tensor(name, CODE[array.dtype.name], list(array.shape), digest)


def _bytes(array: Array) -> memoryview:
    view: memoryview = array.reshape(-1).view(np.uint8).data
    return view.toreadonly()


def _digests(arrays: list[Array]) -> list[str]:
    """The digests of large arrays; hashing lets go of the interpreter, so that threads help."""
    views, threads = [_bytes(a) for a in arrays], min(4, os.cpu_count() or 1, len(arrays))
    if threads < 2 or sum(v.nbytes for v in views) < _THREADED:
        return [digest_bytes(v) for v in views]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(digest_bytes, views))


def _fit(groups: Mapping[str, Arrays], count: int) -> None:
    if count > MAX_ARRAYS:
        raise ArraysError("arrays.too-large", f"{count:,} arrays in one payload, the limit is {MAX_ARRAYS:,}")
    for group in groups.values():
        for name in group:
            if len(name) > MAX_NAME:
                raise ArraysError(
                    "arrays.too-large",
                    f"the array `{name:.80}...` has a name of {len(name):,} characters, the limit is {MAX_NAME:,}",
                    "shorten its name",
                )


# -- in ---------------------------------------------------------------------------------------------------------


def join(manifest: Manifest, open: Callable[[str], Buffer]) -> dict[str, Any]:
    """The payload that a manifest describes, as views of the buffers that `open` gives for its objects' digests.

    Raises `ArraysError` (`arrays.malformed`, `arrays.too-large`) for a manifest that is not what it claims or an object
    of another size, and what `open` raises.
    """
    plain = check_manifest(manifest)
    buffers: dict[str, Buffer] = {"": manifest.inline}
    for digest, size in manifest.objects.items():
        buffers[digest] = open(digest)
        if (found := memoryview(buffers[digest]).nbytes) != size:
            raise _malformed(f"object {digest} has {found:,} bytes, not {size:,}")
    groups = {n: {t.name: _view(buffers, t) for t in ts} for n, ts in manifest.groups.items()}
    return {**{n: Arrays.trusted(g, owner=buffers) for n, g in groups.items()}, **plain}


def check_manifest(manifest: Manifest) -> dict[str, Any]:
    """Refuse a manifest that doesn't describe its objects exactly; returns its plain values.

    Raises `ArraysError` (`arrays.malformed`, `arrays.too-large`).
    """
    if sum(map(len, manifest.groups.values())) > MAX_ARRAYS or len(manifest.plain) > MAX_PLAIN:
        raise ArraysError("arrays.too-large", "a manifest has too many arrays, or too much plain data")
    plain = _plain(manifest)
    room = {**manifest.objects, "": len(manifest.inline)}
    extents: dict[str, set[tuple[int, int]]] = {d: set() for d in room}
    for tensors in manifest.groups.values():
        if len({t.name for t in tensors}) != len(tensors):
            raise _malformed("a name stands twice in a group")
        for tensor in tensors:
            size = _check(tensor)
            if tensor.object not in room:
                raise _malformed(f"array `{tensor.name:.80}` lies in an object that isn't listed")
            if size:
                extents[tensor.object].add((tensor.offset, size))
    for digest, found in extents.items():
        _cover(digest, sorted(found), room[digest])
    return plain


def _plain(manifest: Manifest) -> dict[str, Any]:
    try:
        plain = msgspec.msgpack.decode(manifest.plain, type=dict[str, Any]) if manifest.plain else {}
        checked({**dict.fromkeys(manifest.groups), **plain})
        for digest in manifest.objects:
            hex_of(digest)
    except (AtollError, ValueError, RecursionError) as error:  # msgspec's are ValueErrors
        raise _malformed(str(error)) from error
    if plain.keys() & manifest.groups.keys():
        raise _malformed("a name is that of arrays and of a plain value")
    return plain


def _check(tensor: Tensor) -> int:
    """The bytes of an array that could be."""
    shape = tensor.shape
    if not is_text(tensor.name) or tensor.name == RESERVED or len(tensor.name) > MAX_NAME:
        raise _malformed(f"an array can't be named {tensor.name!r:.80}")
    if tensor.dtype not in NUMPY_NAME:
        raise _malformed(f"array `{tensor.name:.80}` has the unknown dtype {tensor.dtype:.20}")
    if len(shape) > MAX_DIMENSIONS or any(d < 0 or d > MAX_EXTENT for d in shape):
        raise _malformed(f"array `{tensor.name:.80}` has an impossible shape")
    size = dtype_of(tensor.dtype).itemsize * math.prod(shape)
    extent = math.prod(d for d in shape if d)
    if extent > MAX_EXTENT or tensor.offset < 0 or tensor.offset % ALIGN or (not size and tensor.offset):
        raise _malformed(f"array `{tensor.name:.80}` has an impossible shape or place")
    return size


def _cover(digest: str, extents: Iterable[tuple[int, int]], room: int) -> None:
    """Arrays leave no hole but for alignment, and nothing after the last. They may share bytes: objects of the same
    bytes are the same object, however these are shared out (two packs of zeros)."""
    end = 0
    for offset, size in extents:
        if offset > -(-end // ALIGN) * ALIGN:
            raise _malformed(f"the arrays in {digest or 'the message'} leave a hole at {end:,}")
        end = max(end, offset + size)
    if end != room:
        raise _malformed(f"the arrays in {digest or 'the message'} have {end:,} bytes, not {room:,}")


def _view(buffers: Mapping[str, Buffer], tensor: Tensor) -> Array:
    dtype, count = dtype_of(tensor.dtype), math.prod(tensor.shape)
    if count:
        array = np.frombuffer(buffers[tensor.object], dtype, count, tensor.offset).reshape(tensor.shape)
    else:
        array = np.empty(tensor.shape, dtype)
    array.flags.writeable = False
    return array


def _malformed(why: str) -> ArraysError:
    return ArraysError("arrays.malformed", f"a manifest is not what it claims to be: {why}", "send it again")


# -- names ------------------------------------------------------------------------------------------------------


def digest_of(message: msgspec.Struct) -> str:
    """The digest of a message's canonical encoding: JSON with sorted keys."""
    return f"sha256:{hashlib.sha256(msgspec.json.encode(message, order='deterministic')).hexdigest()}"


def call_digest(task: TaskSpec) -> str:
    """The digest of a task: what makes two calls of the same key the same call."""
    return digest_of(task)
