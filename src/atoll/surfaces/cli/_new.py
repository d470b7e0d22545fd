"""`atoll new`: a folder of your own, copied from a template or from another app.

Doesn't know what the templates are about: each is a folder under `templates/`, whose files may say `__package__` and
`__name__`, in their names too; the ending `.tmpl` is dropped.
"""

from __future__ import annotations

import contextlib
import keyword
import re
import sys
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from atoll.surfaces._rename import Names
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._templates import DEFAULT, FOLDER, about, installing, missing, templates
from atoll.values import ConfigError, suggestion

_SHOWN = 40  # files that are listed
_LEFT_OUT = ("__pycache__", ".pyc")


def new(values: Namespace, out: Output) -> int:
    """Make an app."""
    folder = Path(values.name)
    name, package = _names(folder)
    if values.source is not None and values.template is not None:
        raise ConfigError("cli.usage", "an app is made from a template or from another app", "leave one out")
    _check_free(folder)
    if values.source is not None:
        from atoll.surfaces.cli._copy_of import copy_of

        copied = copy_of(values.source, folder, Names(name, package))
        package, made = copied.package, copied.files
        told, what = {"source": copied.source, "digest": copied.digest}, copied.words
    else:
        template = _template(values.template, out)
        made = _copy(Path(FOLDER) / template, folder, {"__package__": package, "__name__": name})
        told, what = {"template": template}, f"the template {template}"
    about = {"name": name, "package": package, **told, "folder": str(folder.resolve()), "files": made}
    out.document("atoll.new/1", about)
    out.line(f"made {out.paint(str(folder), 'bold')} from {what}:")
    for file in made[:_SHOWN]:
        out.line(f"  {file}")
    if len(made) > _SHOWN:
        out.line(f"  ... and {len(made) - _SHOWN} more")
    out.line()
    out.line("next:")
    out.line(f"  cd {folder}")
    out.line("  atoll run")
    return 0


def _check_free(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise ConfigError(
            "new.exists", f"{folder} is there already, and nothing is overwritten", "choose another name"
        )


def _names(folder: Path) -> tuple[str, str]:
    """The project's name and its package's. Raises `ConfigError`."""
    name = folder.name if folder.name not in ("", "..") else folder.resolve().name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", name) or name[-1] in "._-":
        mend = "begin with a letter; letters, digits, - and _ may follow, as in `my-app`"
        raise ConfigError("new.bad-name", f"an app can't be called `{name}`", mend)
    package = re.sub(r"[._-]+", "_", name).lower()
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or _is_installed(package):
        raise ConfigError(
            "new.name-taken",
            f"the package `{package}` would hide another one of that name",
            f"call it `my-{name}`",
        )
    return name, package


def _is_installed(package: str) -> bool:
    """Whether importing it from anywhere but here finds something."""
    here = {"", str(Path.cwd())}
    before, sys.path[:] = list(sys.path), [p for p in sys.path if p not in here]
    try:
        spec = find_spec(package)
        return spec is not None and spec.origin is not None
    finally:
        sys.path[:] = before


def _template(asked: str | None, out: Output) -> str:
    """Which template. Raises `ConfigError`."""
    known = templates()
    chosen = asked or (_choice(known, out) if out.interactive() and not out.as_json else DEFAULT)
    if chosen not in known:
        raise ConfigError(
            "new.unknown-template",
            f"there is no template `{chosen}`",
            suggestion(chosen, known, what="templates"),
        )
    if lacking := missing(chosen):
        raise ConfigError(
            "new.missing-package",
            f"the template {chosen} needs {' and '.join(lacking)}, which this Python doesn't have",
            installing(lacking),
        )
    return chosen


def _choice(known: tuple[str, ...], out: Output) -> str:
    width = max(len(name) for name in known)
    for number, name in enumerate(known, start=1):
        out.line(f"{number:2}  {out.paint(name.ljust(width), 'bold')}  {about(name)}")
    answer = input(f"template [{DEFAULT}]: ").strip() or DEFAULT
    return known[int(answer) - 1] if answer.isdigit() and 0 < int(answer) <= len(known) else answer


def _copy(source: Path, target: Path, words: dict[str, str]) -> list[str]:
    made = []
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if not path.is_file() or any(part.endswith(_LEFT_OUT) for part in relative.parts):
            continue
        to = target / _filled(str(relative), words).removesuffix(".tmpl")
        to.parent.mkdir(parents=True, exist_ok=True)
        body = path.read_bytes()
        with contextlib.suppress(UnicodeDecodeError):  # what is not a text stays as it is
            body = _filled(body.decode(), words).encode()
        to.write_bytes(body)
        made.append(to.relative_to(target).as_posix())
    return made


def _filled(text: str, words: dict[str, str]) -> str:
    for placeholder, value in words.items():
        text = text.replace(placeholder, value)
    return text
