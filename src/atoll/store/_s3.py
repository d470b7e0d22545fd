"""A store in a bucket of S3 or of what speaks its language, with a folder of this machine's before it.

Doesn't know who else uses the bucket. Objects come in through the folder, which checks them and holds what has come of
those that were cut off, and are read from it, so that nothing unchecked is ever handed out; the folder is a cache.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from atoll.store._directory import DirectoryStore
from atoll.store._part import PresentPart
from atoll.store._store import Buffer, Part, damaged, hex_of, missing
from atoll.values import ConfigError, ObjectDamaged, StoreError, failpoint, register

try:
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store as Bucket
except ModuleNotFoundError as _error:
    raise ConfigError(
        "package.missing", "objects in S3 need the package obstore", 'pip install "atoll[s3]"'
    ) from _error

_BEFORE_UPLOAD = register("store.before-upload", "an object is durable here, the bucket hasn't got it")
_AFTER_UPLOAD = register("store.after-upload", "the bucket has an object, nobody has been told")
_AT_ONCE = 16  # requests
_CACHE = 16 << 30
_TRIM = 60  # seconds between two looks at the folder's size
T = TypeVar("T")
U = TypeVar("U")


class S3Store:
    """Objects in a bucket, at `<prefix>objects/<hex>`.

    `options` are obstore's (`endpoint`, `region`, `access_key_id`, ...; what is not said comes from the environment,
    as usual with S3), `cache` the folder and `room` the bytes that it keeps of objects which the bucket has as well.
    """

    def __init__(
        self,
        bucket: str,
        *,
        cache: Path,
        prefix: str = "",
        options: Mapping[str, Any] | None = None,
        room: int = _CACHE,
        clock: Callable[[], float] = time.time,
        reserve: int = 64 << 20,
    ) -> None:
        self._bucket = Bucket(bucket, prefix=prefix or None, **(options or {}))
        self._where = f"s3://{bucket}/{prefix}"
        self._local = DirectoryStore(cache, clock=clock, reserve=reserve)
        self._clock, self._room, self._trimmed = clock, room, 0.0
        self._asked: dict[str, float] = {}  # when somebody counted on them last

    # -- reading -------------------------------------------------------------------------------------------

    def has(self, digests: Iterable[str]) -> set[str]:
        wanted = list(digests)
        now = self._clock()
        found = {d for d, size in zip(wanted, _together(self._look, wanted), strict=True) if size is not None}
        self._asked.update(dict.fromkeys(found, now))
        return found

    def held(self, digests: Iterable[str], *, apart: str = "") -> dict[str, int]:
        return self._local.held(digests, apart=apart)

    def size(self, digest: str) -> int:
        found = self._look(digest)
        if found is None:
            raise missing(digest)
        return found

    def open(self, digest: str) -> memoryview:
        self._fetch(digest)
        return self._local.open(digest)

    def read(self, digest: str, offset: int, length: int) -> bytes:
        self._fetch(digest)
        return self._local.read(digest, offset, length)

    def path(self, digest: str) -> Path | None:
        self._fetch(digest)
        return self._local.path(digest)

    def verify(self, digest: str) -> None:
        self._local.remove(digest)
        self._fetch(digest)

    def digests(self) -> Iterator[str]:
        for found in self._list("objects"):
            yield f"sha256:{found['path'].rpartition('/')[2]}"

    def presign(self, digest: str, *, method: str = "GET", seconds: float = 900) -> str:
        """An address by which whoever has it may read (GET) or write (PUT) one object, for a while, without us."""
        with self._translated():
            chosen: Any = method
            return obstore.sign(self._bucket, chosen, _key(digest), timedelta(seconds=seconds))

    # -- writing -------------------------------------------------------------------------------------------

    def put(self, digest: str, body: Buffer) -> None:
        self.put_all({digest: body})

    def put_all(self, blobs: Mapping[str, Buffer]) -> None:
        there = self.has(blobs)
        lacking = {d: b for d, b in blobs.items() if d not in there}
        self._local.put_all(lacking)
        self._upload(lacking)

    def adopt(self, path: Path, digest: str = "") -> str:
        found = self._local.adopt(path, digest)
        self._upload([found])
        return found

    def receive(self, digest: str, size: int, *, apart: str = "") -> Part:
        found = None if apart else self._look(digest)
        if found is None:
            return _Uploaded(self._local.receive(digest, size, apart=apart), self._upload)
        if found != size:
            raise damaged(digest, f"it has {found:,} bytes, not {size:,}")
        self._asked[digest] = self._clock()
        return PresentPart(digest, size)

    def settle(self, parts: Sequence[Part]) -> set[str]:
        new = [p for p in parts if isinstance(p, _Uploaded)]
        bad = self._local.settle([p.part for p in new])
        self._upload([p.digest for p in new if p.digest not in bad])
        return bad

    def remove(self, digest: str) -> None:
        with self._translated(), contextlib.suppress(FileNotFoundError):
            self._bucket.delete(_key(digest))
        self._local.remove(digest)

    def sweep(self, keep: Collection[str], older_than: float) -> set[str]:
        before = self._clock() - older_than
        self._asked = {d: at for d, at in self._asked.items() if at >= before}
        old = [f["path"] for f in self._list("objects") if f["last_modified"].timestamp() < before]
        gone = {
            d for p in old if (d := f"sha256:{p.rpartition('/')[2]}") not in keep and d not in self._asked
        }
        stale = [f["path"] for f in self._list("damaged") if f["last_modified"].timestamp() < before]
        if doomed := [*map(_key, gone), *stale]:
            with self._translated():
                self._bucket.delete(doomed)
        for digest in gone:
            self._local.remove(digest)
        self._local.sweep(keep, older_than)
        return gone

    # -- within --------------------------------------------------------------------------------------------

    def _look(self, digest: str) -> int | None:
        with self._translated():
            try:
                return self._bucket.head(_key(digest))["size"]
            except FileNotFoundError:
                return None

    def _list(self, folder: str) -> Iterator[Any]:
        with self._translated():
            for page in self._bucket.list(f"{folder}/"):
                yield from page

    def _fetch(self, digest: str) -> None:
        """Have the object in the folder, whole; goes on where an earlier attempt was cut off."""
        if self._local.has([digest]):
            return
        with self._local.receive(digest, self.size(digest)) as part:
            if part.held < part.size:
                self._download(part)
            try:
                part.finish()
            except ObjectDamaged:
                self._put_aside(digest)
                raise
        self._trim()

    def _download(self, part: Part) -> None:
        try:
            with self._translated():
                for chunk in self._bucket.get(_key(part.digest), options={"range": {"offset": part.held}}):
                    part.write(memoryview(chunk))
        except FileNotFoundError:
            raise missing(part.digest) from None

    def _put_aside(self, digest: str) -> None:
        with self._translated(), contextlib.suppress(FileNotFoundError):
            self._bucket.rename(_key(digest), f"damaged/{hex_of(digest)}")

    def _upload(self, digests: Iterable[str]) -> None:
        _together(self._upload_one, list(digests))
        self._trim()

    def _upload_one(self, digest: str) -> None:
        file = self._local.path(digest)
        failpoint(_BEFORE_UPLOAD)
        with self._translated():
            self._bucket.put(_key(digest), file or b"")
        failpoint(_AFTER_UPLOAD)

    def _trim(self) -> None:
        if self._clock() - self._trimmed > _TRIM:
            self._trimmed = self._clock()
            self._local.trim(self._room)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except obstore.exceptions.NotFoundError as error:
            raise FileNotFoundError from error
        except BaseError as error:
            raise StoreError(
                "store.unreachable",
                f"{self._where} can't be used: {str(error)[:500]}",
                "look at its address, its keys and the network",
            ) from error


class _Uploaded:
    """A part that goes on to the bucket when it is whole."""

    def __init__(self, part: Part, upload: Callable[[Iterable[str]], None]) -> None:
        self.part, self._upload = part, upload
        self.digest, self.size = part.digest, part.size

    @property
    def held(self) -> int:
        return self.part.held

    def write(self, chunk: Buffer) -> None:
        self.part.write(chunk)

    def finish(self) -> None:
        self.part.finish()
        self._upload([self.digest])

    def close(self) -> None:
        self.part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _key(digest: str) -> str:
    return f"objects/{hex_of(digest)}"


def _together(function: Callable[[T], U], what: list[T]) -> list[U]:
    if len(what) < 2:
        return [function(w) for w in what]
    with ThreadPoolExecutor(min(_AT_ONCE, len(what))) as threads:
        return list(threads.map(function, what))
