"""The templates of `atoll new`: the folders under `templates/`, each described by its own pyproject.toml.

Doesn't know what they are about, nor how an app is made of one. Imports nothing heavy: help and completion read this.
"""

from __future__ import annotations

import os

FOLDER = os.path.join(os.path.dirname(__file__), "templates")
DEFAULT = "numpy"


def templates() -> tuple[str, ...]:
    """Their names, the default first."""
    found = sorted(name for name in os.listdir(FOLDER) if os.path.exists(_project(name)))
    return tuple(sorted(found, key=lambda name: name != DEFAULT))


def about(name: str) -> str:
    """What a template is, in a line: `[project] description`, which is a plain string on a line of its own."""
    with open(_project(name), encoding="utf-8") as file:
        line = next((line for line in file if line.startswith("description = ")), "")
    return line.partition("=")[2].strip().strip('"')


def listing() -> str:
    """All of them, one a line."""
    names = templates()
    width = max(len(name) for name in names)
    return "\n".join(["Templates:", *(f"  {name.ljust(width)}  {about(name)}" for name in names)])


def missing(name: str) -> list[str]:
    """Of the packages that a template's app needs, those that are not installed here."""
    import tomllib

    with open(_project(name), "rb") as file:
        needed = [_package(need) for need in tomllib.load(file)["project"]["dependencies"]]
    return [package for package in needed if not _is_here(package)]


def installing(packages: list[str]) -> str:
    """The command that installs packages: by extras of atoll where one has them."""
    extras = _extras()
    chosen: list[str] = []
    plain: list[str] = []
    for package in packages:
        having = sorted((e for e, has in extras.items() if package in has), key=lambda e: len(extras[e]))
        if having and not set(having) & set(chosen):
            chosen.append(having[0])
        elif not having:
            plain.append(package)
    words = [f"'atoll[{','.join(chosen)}]'"] if chosen else []
    return " ".join(["pip install", *words, *plain])


def _project(name: str) -> str:
    return os.path.join(FOLDER, name, "pyproject.toml")


def _package(need: str) -> str:
    """The name in a requirement: `torch` of `torch>=2.3; python_version > "3"`."""
    import re

    return re.split(r"[^A-Za-z0-9._-]", need.strip(), maxsplit=1)[0].lower()


def _is_here(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    if find_spec(package.replace("-", "_").partition(".")[0]) is not None:
        return True
    try:
        return bool(version(package))  # one whose module has another name
    except PackageNotFoundError:
        return False


def _extras() -> dict[str, set[str]]:
    """The packages of each of atoll's extras."""
    from importlib.metadata import PackageNotFoundError, requires

    found: dict[str, set[str]] = {}
    try:
        needs = requires("atoll") or []
    except PackageNotFoundError:  # run out of a checkout
        needs = []
    for need in needs:
        _, marked, extra = need.partition("extra ==")
        if marked:
            found.setdefault(extra.strip().strip("'\""), set()).add(_package(need))
    return found
