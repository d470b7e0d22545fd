"""What an app needs to be installed: its lock, or what its project file depends on.

Doesn't know where packages come from, and won't let the app say: a lock names packages, versions and hashes, and nothing else.
Atoll itself is not installed but shared, so in its place stands what its workers need.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from atoll.values import AtollError

LOCKS = ("requirements.lock", "requirements.txt")
_WORKERS = ("numpy", "msgspec", "ml-dtypes", "rich", "threadpoolctl")  # of what Atoll depends on
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def requirements(app: Path) -> str:
    """The requirements of an app, one on a line. Raises `AtollError` (`environment.bad-lock`)."""
    lock = next((app / name for name in LOCKS if (app / name).is_file()), None)
    listed = list(_locked(lock) if lock is not None else _dependencies(app / "pyproject.toml"))
    extras: set[str] = set()
    kept = []
    for each in listed:
        name, its_extras = _split(each)
        if name == "atoll":
            extras |= its_extras
        else:
            kept.append(each)
    locked = {_split(each)[0] for each in kept}
    ours = [each for each in _ours(extras) if _split(each)[0] not in locked]
    return "".join(f"{each}\n" for each in [*kept, *ours])


def _dependencies(path: Path) -> Iterator[str]:
    project = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for each in project.get("project", {}).get("dependencies", []):
        yield _fit(str(each), path)


def _locked(path: Path) -> Iterator[str]:
    """The lines of a lock, continued ones joined."""
    text = path.read_text(encoding="utf-8").replace("\\\r\n", " ").replace("\\\n", " ")
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if line:
            yield _fit(line, path)


def _fit(line: str, path: Path) -> str:
    bare = re.sub(r"\s--hash=sha(256|384|512):[0-9a-f]+", "", line)
    if (
        not _NAME.match(bare)
        or "@" in bare
        or "://" in bare
        or "--" in bare
        or "\n" in bare
        or bare.split(";")[0].rstrip().endswith((".whl", ".gz", ".zip"))
    ):
        raise AtollError(
            "environment.bad-lock",
            f"{path.name} has the line {line!r:.200}: it may name packages, versions and hashes, but not where they come from",
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
