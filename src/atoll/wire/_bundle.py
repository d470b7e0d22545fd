"""Bundles: an app's folder as one object that is the same, to the byte, wherever and whenever it is packed.

Doesn't know who sends one, or what is in the files. The format: a line that tells its version, the length of a JSON
header, the header (each file's path, size and hash, sorted), the files' bytes one after the other. Nothing is compressed: the
digest depends on no library, and nothing can swell. There are no links, owners, modes or times in it.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from atoll._version import __version__
from atoll.store import digest_bytes
from atoll.values import AtollError, ConfigError
from atoll.wire._filenames import objections
from atoll.wire._versions import satisfies

FORMAT = 1
MAX_FILES = 10_000
MAX_BYTES = 64 << 20  # of all files
_MAGIC = b"atoll bundle "
_FIRST = _MAGIC + b"%d\n" % FORMAT
_MAX_HEADER = 8 << 20
_LENGTH = 4
_SKIPPED = ("__pycache__", "node_modules")
_SUFFIXES = (".pyc", ".pyo", ".egg-info")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A file of a bundle: its path with `/`, its bytes, and the hexadecimal sha256 of them."""

    path: str
    size: int
    sha256: str


class _Header(msgspec.Struct, frozen=True):
    requires: str  # versions of Atoll, as in `>=0.1,<1`
    files: list[Entry]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A packed app. `requires` is the range of versions of Atoll that it is for."""

    digest: str
    body: bytes
    files: Sequence[Entry]
    requires: str = ""

    def contents(self) -> Iterator[tuple[Entry, memoryview]]:
        """Each file with its bytes."""
        at = len(self.body) - sum(entry.size for entry in self.files)
        view = memoryview(self.body)
        for entry in self.files:
            yield entry, view[at : at + entry.size]
            at += entry.size


# -- packing ----------------------------------------------------------------------------------------------------


def pack_bundle(folder: str | Path) -> Bundle:
    """Pack an app's folder: every file in it, but those that

    - are hidden, or lie in a hidden folder (a name that begins with a dot)
    - Python or an installer makes: `__pycache__`, `*.pyc`, `*.egg-info`, virtual environments, `node_modules`
    - are models that `atoll pull` left: `*.safetensors` directly in the folder
    - the project's `[tool.atoll] exclude` names: patterns such as `"data"`, `"notebooks/*.ipynb"`

    Raises `ConfigError` (`bundle.link`, `bundle.bad-path`, `bundle.too-large`).
    """
    folder = Path(folder).resolve()
    project = _project(folder)
    table = project.get("tool", {}).get("atoll", {})
    paths = sorted(_found(folder, [str(p) for p in table.get("exclude", [])]))
    for path, why in objections(paths):
        raise ConfigError(
            "bundle.bad-path", f"{path!r:.300} can't be in a bundle: {why}", "rename it, or exclude it"
        )
    _bounded({path: (folder / path).stat().st_size for path in paths})
    bodies = [(folder / path).read_bytes() for path in paths]
    files = [Entry(p, len(b), hashlib.sha256(b).hexdigest()) for p, b in zip(paths, bodies, strict=True)]
    requires = _requires(project)
    header = msgspec.json.encode(_Header(requires, files))
    body = b"".join([_FIRST, len(header).to_bytes(_LENGTH, "little"), header, *bodies])
    return Bundle(digest_bytes(body), body, files, requires)


def _project(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        path = folder / "pyproject.toml"
        raise ConfigError("project.malformed", f"{path} can't be read: {error}", "mend the file") from error


def _found(folder: Path, exclude: Sequence[str], below: str = "") -> Iterator[str]:
    for entry in os.scandir(folder):
        path = below + entry.name
        if _skipped(entry, below) or any(fnmatch.fnmatchcase(path, p.rstrip("/")) for p in exclude):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                yield from _found(Path(entry.path), exclude, f"{path}/")
        elif entry.is_file(follow_symlinks=False):
            yield path
        else:
            raise ConfigError(
                "bundle.link",
                f"{path} is a link, or no file at all: it can't be in a bundle",
                f'put a copy in its place, or leave it out: exclude = ["{path}"] under [tool.atoll]',
            )


def _skipped(entry: os.DirEntry[str], below: str) -> bool:
    name = entry.name
    model = not below and name.endswith(".safetensors")
    return name.startswith(".") or name in _SKIPPED or name.endswith(_SUFFIXES) or model


def _bounded(sizes: dict[str, int]) -> None:
    total = sum(sizes.values())
    if len(sizes) > MAX_FILES or total > MAX_BYTES:
        largest = ", ".join(
            f"{p} ({n:,} bytes)" for p, n in sorted(sizes.items(), key=lambda pair: -pair[1])[:3]
        )
        raise ConfigError(
            "bundle.too-large",
            f"{len(sizes):,} files, {total:,} bytes; a bundle has {MAX_FILES:,} and {MAX_BYTES:,} at most. Largest: {largest}",
            'leave out what the nodes don\'t need: exclude = ["data"] under [tool.atoll]',
        )


def _requires(project: dict[str, Any]) -> str:
    """What the project's own dependency on Atoll says."""
    for dependency in project.get("project", {}).get("dependencies", []):
        name, _, rest = str(dependency).partition(";")[0].replace(" ", "").partition("atoll")
        if not name and not rest[:1].isalnum() and rest[:1] not in ("-", "_", "."):
            return rest.partition("]")[2] if rest.startswith("[") else rest
    return ""


# -- reading ----------------------------------------------------------------------------------------------------


def read_bundle(body: bytes) -> Bundle:
    """The bundle in some bytes: every claim of its header is checked before anything is done with it.

    Raises `AtollError` (`bundle.newer`, `bundle.malformed`, `bundle.needs-atoll`).
    """
    header, begin = _header(body)
    if len(header.files) > MAX_FILES or any(entry.size < 0 for entry in header.files):
        raise _malformed(f"it lists {len(header.files):,} files, the limit is {MAX_FILES:,}")
    total = sum(entry.size for entry in header.files)
    if total > MAX_BYTES or begin + total != len(body):
        raise _malformed(
            f"its files should have {total:,} bytes, {len(body) - begin:,} are there, the limit is {MAX_BYTES:,}"
        )
    paths = [entry.path for entry in header.files]
    for path, why in objections(paths):
        raise _malformed(f"{path!r:.300}: {why}")
    if paths != sorted(paths):
        raise _malformed("its files are not in order")
    bundle = Bundle(digest_bytes(body), body, header.files, header.requires)
    for entry, content in bundle.contents():
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise _malformed(f"{entry.path} is not the file that the header describes")
    if not satisfies(__version__, bundle.requires):
        raise AtollError(
            "bundle.needs-atoll",
            f"this app is for Atoll {bundle.requires[:100]}, here is {__version__}",
            "install that version, or change the app's dependency on atoll",
        )
    return bundle


def extract(body: bytes, into: Path) -> Bundle:
    """Write a bundle's files into a new folder, which appears under its name with all of them, or not at all.

    Raises what `read_bundle` raises, and `OSError`: the folder exists, or the disk is full.
    """
    bundle = read_bundle(body)
    beside = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
    try:
        for entry, content in bundle.contents():
            path = beside / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "xb") as file:  # the folder is new, and ours alone: there is no link to follow
                file.write(content)
            path.chmod(0o444)
        os.rename(beside, into)
    except BaseException:  # it is raised on; half a bundle is left to nobody
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return bundle


def _header(body: bytes) -> tuple[_Header, int]:
    if not body.startswith(_FIRST):
        first = body[: len(_FIRST) + 8].partition(b"\n")[0]
        if first.startswith(_MAGIC) and first[len(_MAGIC) :].isdigit():
            raise AtollError(
                "bundle.newer", "this bundle was packed by a newer Atoll", "install a newer one here"
            )
        raise _malformed("it doesn't begin like a bundle")
    begin = len(_FIRST) + _LENGTH
    length = int.from_bytes(body[len(_FIRST) : begin], "little")
    if length > _MAX_HEADER or begin + length > len(body):
        raise _malformed(f"its header claims {length:,} bytes")
    try:
        return msgspec.json.decode(body[begin : begin + length], type=_Header), begin + length
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"its header can't be read: {error}") from error


def _malformed(why: str) -> AtollError:
    return AtollError(
        "bundle.malformed", f"a bundle is not what it claims to be: {why}", "send the app again"
    )
