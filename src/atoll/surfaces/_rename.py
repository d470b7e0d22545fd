"""Giving an app another name: its project's, and its package's wherever the app's files mean it.

Doesn't know where the files come from. In Python only imports, what they bind, and texts such as "package.module:name" are
changed, and in other texts only paths: a variable or a word that happens to be called like the package stays.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from atoll.values import ConfigError

Files = Mapping[str, bytes]
_TEXTS = (".md", ".toml", ".txt", ".rst", ".cfg", ".ini", ".yaml", ".yml", ".json", ".sh")
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.\w+)*(:[A-Za-z_]\w*)?")


class Names(NamedTuple):
    """What an app is called. No package: its modules lie beside pyproject.toml."""

    project: str
    package: str


class _Place(NamedTuple):
    """Some bytes of a line of Python."""

    line: int  # from 0
    begin: int
    end: int


def names_of(files: Files) -> Names:
    """The names of an app in its files. Raises `ConfigError` (`new.no-app`) when there is no app in them."""
    try:
        document = tomllib.loads(files["pyproject.toml"].decode())
        table = document["tool"]["atoll"]
        references = [table["server"], table["client"]]
    except (KeyError, TypeError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            "new.no-app",
            "there is no app in it: no pyproject.toml with server and client under [tool.atoll]",
            "name an app's folder, its bundle, or a run",
        ) from error
    tops = {str(reference).partition(":")[0].partition(".")[0] for reference in references}
    packages = [top for top in tops if any(path.startswith(f"{top}/") for path in files)]
    project = document.get("project")
    name = project.get("name", "") if isinstance(project, dict) else ""
    return Names(str(name), packages[0] if len(packages) == 1 else "")


def renamed(files: Files, old: Names, new: Names) -> dict[str, bytes]:
    """The files of an app under other names. Raises `ConfigError` (`new.name-taken`)."""
    package = old.package and new.package != old.package
    taken = [p for p in files if p == f"{new.package}.py" or p.startswith(f"{new.package}/")]
    if package and taken:
        raise ConfigError(
            "new.name-taken", f"the app has a {taken[0]} already", f"call it `my-{new.project}`"
        )
    found: dict[str, bytes] = {}
    for path, content in files.items():
        moved = path.startswith(f"{old.package}/") and package
        to = f"{new.package}{path[len(old.package) :]}" if moved else path
        found[to] = _rewritten(path, content, old, new)
    return found


def _rewritten(path: str, content: bytes, old: Names, new: Names) -> bytes:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content  # no text
    if old.package and old.package != new.package:
        if path.endswith(".py"):
            text = _python(text, old.package, new.package)
        elif path.endswith(_TEXTS):
            text = _prose(text, old.package, new.package)
    if path == "pyproject.toml":
        text = _project(text, old, new)
    elif path.endswith(".md") and old.project:
        text = re.sub(rf"^(#+ +){re.escape(old.project)}$", rf"\g<1>{new.project}", text, flags=re.MULTILINE)
    return text.encode()


def _python(text: str, old: str, new: str) -> str:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text  # nobody can tell what its words mean
    lines = text.encode().split(b"\n")
    for place in sorted(set(_places(tree, lines, old)), reverse=True):
        line = lines[place.line]
        lines[place.line] = line[: place.begin] + new.encode() + line[place.end :]
    return b"\n".join(lines).decode()


def _places(tree: ast.Module, lines: list[bytes], old: str) -> Iterator[_Place]:
    """Where a module names the package."""
    bound = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound = bound or any(a.name.split(".")[0] == old and not a.asname for a in node.names)
            for alias in node.names:
                if alias.name.split(".")[0] == old:
                    yield _Place(alias.lineno - 1, alias.col_offset, alias.col_offset + len(old))
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == old:
            begin = lines[node.lineno - 1].find(old.encode(), node.col_offset + len("from"))
            yield _Place(node.lineno - 1, begin, begin + len(old))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_reference(node.value, old)
        ):
            begin = lines[node.lineno - 1].find(old.encode(), node.col_offset)
            yield _Place(node.lineno - 1, begin, begin + len(old))
    if bound:  # by `import package.module`
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == old:
                yield _Place(node.lineno - 1, node.col_offset, node.col_offset + len(old))


def _is_reference(text: str, old: str) -> bool:
    """Whether a text is `package.module`, `package.module:name` or `package:name`."""
    own = text.startswith((f"{old}.", f"{old}:"))
    return own and _REFERENCE.fullmatch(text) is not None


def _prose(text: str, old: str, new: str) -> str:
    """A path, a module or an import of the package, in a text or a TOML file."""
    path = rf"(?<![\w./-]){re.escape(old)}(?=[.:/]\w|/(?!\w))"
    imported = rf"\b(from|import)( +){re.escape(old)}(?=[ .;\n])"
    return re.sub(path, new, re.sub(imported, rf"\1\g<2>{new}", text))


def _project(text: str, old: Names, new: Names) -> str:
    """pyproject.toml: the project's name, and where a build takes the package from."""
    table, lines = "", []
    for line in text.split("\n"):
        if header := re.match(r"\s*\[+([^\]]+)\]+", line):
            table = header[1].strip()
        if table == "project":
            line = re.sub(r"^(\s*name\s*=\s*)([\"']).*?\2", rf"\g<1>\g<2>{new.project}\g<2>", line)
        elif table.startswith("tool.") and not table.startswith("tool.atoll") and old.package:
            line = re.sub(rf"([\"']){re.escape(old.package)}\1", rf"\g<1>{new.package}\g<1>", line)
        lines.append(line)
    return "\n".join(lines)
