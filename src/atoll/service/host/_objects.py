"""Where a server app's process finds the bytes of what nodes and earlier attempts sent.

Doesn't know what they mean. On the coordinator's own machine they are mapped where they lie; elsewhere they are fetched
into a cache, many in one request.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

from atoll.store import DirectoryStore, Store, hex_of
from atoll.values import DiskFull, NotFound, Payload
from atoll.wire import Manifest, join

Pull: TypeAlias = Callable[[Mapping[str, int], Store], None]  # objects and their sizes, into a store
FULL = 5.0  # seconds from finding the disk full to looking again


class Objects:
    """Payloads behind manifests."""

    def __init__(
        self,
        cache: Store,
        pull: Pull,
        *,
        beside: Path | None = None,
        warn: Callable[[str], None] = print,
        patience: Callable[[], None] = lambda: time.sleep(FULL),
    ) -> None:
        self._cache, self._pull, self._warn, self._patience = cache, pull, warn, patience
        self._beside = _Beside(beside) if beside is not None and beside.is_dir() else None
        self._fetched: set[str] = set()

    @property
    def beside(self) -> bool:
        """Whether the coordinator's objects lie on this machine."""
        return self._beside is not None

    def fetch(self, manifests: Iterable[Manifest]) -> None:
        """Have the bytes of these at hand; one request however many they are."""
        wanted = {d: size for m in manifests for d, size in m.objects.items()}
        if wanted and self._beside is not None:
            wanted = {d: size for d, size in wanted.items() if not self._beside.has(d, size)}
        if wanted:
            self._bring(wanted)

    def payload(self, manifest: Manifest, *, fresh: bool = False) -> Payload:
        """What a manifest stands for; its arrays are views of mapped files. Raises `NotFound`, `ObjectDamaged`.

        `fresh`: its bytes came, and were found whole, while this process was there to hear of it.
        """
        self.fetch([manifest])
        return join(manifest, partial(self._open, sizes=manifest.objects, fresh=fresh))

    def forget(self) -> None:
        """A round is over: what was fetched can be fetched again."""
        for digest in self._fetched:
            self._cache.remove(digest)
        self._fetched.clear()

    def _bring(self, wanted: Mapping[str, int]) -> None:
        """Fetch; a full disk is waited for."""
        while True:
            try:
                self._pull(wanted, self._cache)
            except DiskFull as error:
                self._warn(error.message)
                self._patience()
            else:
                self._fetched.update(wanted)
                return

    def _open(self, digest: str, *, sizes: Mapping[str, int], fresh: bool) -> memoryview:
        if self._beside is not None and digest not in self._fetched:
            try:
                return (
                    self._beside.mapped(digest, sizes[digest]) if fresh else self._beside.store.open(digest)
                )
            except (NotFound, OSError):  # swept meanwhile, or not for this user to read
                self._bring({digest: sizes[digest]})
        return self._cache.open(digest)


class _Beside:
    """The coordinator's own objects."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.store = folder, DirectoryStore(folder)

    def has(self, digest: str, size: int) -> bool:
        try:
            return self._path(digest).stat().st_size == size
        except OSError:
            return False

    def mapped(self, digest: str, size: int) -> memoryview:
        if not size:
            return memoryview(b"")
        with open(self._path(digest), "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))

    def _path(self, digest: str) -> Path:
        name = hex_of(digest)
        return self._folder / name[:2] / name
