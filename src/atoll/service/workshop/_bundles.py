"""The extracted bundles of a workshop: `<digest>/bundle` is what came, `<digest>/app-<n>/` its files.

Doesn't know who fetches them. A folder whose files are not those of its bundle any more is left to whoever works in it, and
another one is made. Several processes may use the same workshop: whatever appears under its name is whole.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from atoll.store import digest_bytes, hex_of
from atoll.values import AtollError
from atoll.wire import Bundle, extract, read_bundle

MOST = 32  # bundles kept, and those younger than
AGE = 24 * 3600.0  # seconds


class Bundles:
    """A folder of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._used: set[Path] = set()  # by this process: somebody may be working in them

    def folder(self, digest: str, fetch: Callable[[], bytes]) -> Path:
        """The folder with a bundle's files. Raises `AtollError` (`bundle.damaged`), and what `read_bundle` and `fetch` raise."""
        name = hex_of(digest)
        with self._locks[name]:  # a second thread finds what the first one made
            home = self._folder / name
            home.mkdir(exist_ok=True, mode=0o700)
            bundle = self._bundle(home / "bundle", digest, fetch)
            os.utime(home)
            found = next((f for f in sorted(home.glob("app-*")) if _same(f, bundle)), None)
            if found is None:
                found = home / f"app-{secrets.token_hex(8)}"
                extract(bundle.body, found)
                self._sweep(keep=home)
            self._used.add(found)
            self._forget_others(home)
            return found

    def _bundle(self, path: Path, digest: str, fetch: Callable[[], bytes]) -> Bundle:
        with contextlib.suppress(FileNotFoundError):
            if digest_bytes(body := path.read_bytes()) == digest:
                return read_bundle(body)
        body = fetch()
        if (found := digest_bytes(body)) != digest:
            raise AtollError("bundle.damaged", f"the bundle {digest} came as {found}", "send the app again")
        bundle = read_bundle(body)
        beside = path.with_name(f".bundle.{secrets.token_hex(8)}")
        try:
            beside.write_bytes(body)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        return bundle

    def _forget_others(self, home: Path) -> None:
        """Remove what no longer is what the bundle holds, and half-made folders that a killed process left."""
        for other in home.iterdir():
            if other.is_dir() and other not in self._used and _age(other) > AGE:
                shutil.rmtree(other, ignore_errors=True)

    def _sweep(self, keep: Path) -> None:
        homes = sorted((h for h in self._folder.iterdir() if h != keep), key=_age)
        for home in homes[MOST - 1 :]:
            if _age(home) > AGE and not any(home in used.parents for used in self._used):
                shutil.rmtree(home, ignore_errors=True)


def _age(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return 0.0


def _same(folder: Path, bundle: Bundle) -> bool:
    """Whether a folder has the files of a bundle, and no others."""
    wanted = {entry.path: content for entry, content in bundle.contents()}
    found = set(_files(folder))
    return found == wanted.keys() and all(
        (folder / path).read_bytes() == content for path, content in wanted.items()
    )


def _files(folder: Path, below: str = "") -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), f"{below}{entry.name}/")
        elif entry.is_symlink():
            yield f"{below}{entry.name} -> "
        else:
            yield below + entry.name
