"""What an app needs to be installed: its lock, or what its project file depends on.

Doesn't know where packages come from, and won't let the app say: a lock names packages, versions and hashes, and nothing else.
Atoll itself is not installed but shared, so in its place stands what its workers need.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from atoll.values import AtollError

UV_LOCK = "uv.lock"
LOCKS = ("requirements.lock", "requirements.txt", UV_LOCK)
_WORKERS = ("numpy", "msgspec", "ml-dtypes", "threadpoolctl")  # of what Atoll depends on
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_CLAUSE = r"\s*[<>=!~]{1,3}\s*[0-9A-Za-z.*+!_-]+\s*"
_LINE = re.compile(rf"{_NAME.pattern}\s*(?:{_CLAUSE}(?:,{_CLAUSE})*)?(?:;.*)?")
_HASH = re.compile(r"\s+--hash=sha(?:256|384|512):[0-9a-f]+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def requirements(app: Path, export: Callable[[Path], str]) -> str:
    """The requirements of an app, one on a line; `export` writes a `uv.lock` out as requirements.

    Raises `AtollError` (`environment.bad-lock`), and what `export` raises.
    """
    kept, extras = [], set()
    for each in _listed(app, export):
        name, its_extras = _split(each)
        if name == "atoll":
            extras |= its_extras
        else:
            kept.append(each)
    named = {_split(each)[0] for each in kept}
    ours = [each for each in _ours(extras) if _split(each)[0] not in named]
    return "".join(f"{each}\n" for each in [*kept, *ours])


def _listed(app: Path, export: Callable[[Path], str]) -> list[str]:
    for name in LOCKS:
        if (app / name).is_file():
            text = (
                export(app) if name == UV_LOCK else (app / name).read_text(encoding="utf-8", errors="replace")
            )
            return [_fit(line, name) for line in _lines(text)]
    path = app / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return [_fit(str(each), path.name) for each in project.get("project", {}).get("dependencies", [])]


def _lines(text: str) -> Iterator[str]:
    """The lines of a lock, continued ones joined, without comments."""
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        if bare := re.sub(r"(^|\s)#.*", "", line).strip():
            yield bare


def _fit(line: str, source: str) -> str:
    if not _LINE.fullmatch(_HASH.sub("", line)):
        raise AtollError(
            "environment.bad-lock",
            f"{source} has the line {line!r:.200}: it may name packages, versions and hashes, but not where they come from",
            "leave it out; the node's owner decides where packages come from",
        )
    return line


def _split(requirement: str) -> tuple[str, set[str]]:
    found = _NAME.match(requirement)
    assert found is not None
    extras = {e.strip().lower() for e in (found[2] or "").split(",") if e.strip()}
    return re.sub(r"[-_.]+", "-", found[1]).lower(), extras


def _ours(extras: set[str]) -> Iterator[str]:
    """What Atoll's workers import, and what the extras that the app asks for bring."""
    try:
        needs = metadata.requires("atoll") or []
    except metadata.PackageNotFoundError:  # run from its sources
        needs = list(_WORKERS)
    for each in needs:
        text, _, marker = each.partition(";")
        extra = _EXTRA.search(marker)
        if extra is None and _split(text)[0] in _WORKERS:
            yield each
        elif extra is not None and extra[1] in extras:
            yield text.strip()
