"""The reference is complete: it names what there is, and nothing that isn't."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import msgspec

import atoll
from atoll import journal
from atoll.surfaces.cli._table import COMMANDS, EXIT_CODES
from atoll.values import AtollError

ROOT = Path(__file__).parents[2]
SOURCES = [p for p in (ROOT / "src" / "atoll").rglob("*.py") if "templates" not in p.parts]
CODE = re.compile(r"[a-z]+\.[a-z]+(-[a-z]+)*")


def _page(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")


def _section(page: str, title: str) -> str:
    found = re.search(rf"^#+ {re.escape(title)}$(.*?)(?=^#{{1,2}} |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title}"
    return found[1]


def _errors() -> list[type[AtollError]]:
    for path in SOURCES:  # wherever a class of errors may stand, whatever other tests have loaded
        if re.search(
            r"^class \w+\(\w*(?:Error|Refused|Refusal)\):", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))
    found, new = [], [AtollError]
    while new:
        found += new
        new = [sub for error in new for sub in error.__subclasses__() if sub.__module__.startswith("atoll.")]
    return found


def _codes() -> set[str]:
    """What stands first where an error of Atoll is made."""
    names = {e.__name__ for e in _errors() if "code" in inspect.signature(e).parameters}
    calls = (
        n
        for p in SOURCES
        for n in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
        if isinstance(n, ast.Call)
    )
    made = (c.args[0] for c in calls if getattr(c.func, "id", "") in names and c.args)
    return {a.value for a in made if isinstance(a, ast.Constant) and isinstance(a.value, str)}


def _documented() -> set[str]:
    rows = [line.split("|")[1] for line in _page("errors.md").splitlines() if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([^`]+)`", row) if CODE.fullmatch(code)}


def test_every_error_code_is_documented():
    assert _codes() - _documented() == set()


def test_no_error_code_is_documented_that_is_not_raised():
    sources = "\n".join(p.read_text(encoding="utf-8") for p in SOURCES)
    assert {code for code in _documented() if f'"{code}"' not in sources} == set()


def test_every_class_of_errors_is_documented_with_its_exit_code():
    page = _page("errors.md")
    missing = [
        e
        for e in _errors()
        if not e.__name__.startswith("_") and f"| `{e.__name__}` | {e.exit_code} |" not in page
    ]
    assert missing == []


def test_every_command_is_documented_with_all_its_options():
    page = _page("commands.md")
    for command in COMMANDS:
        section = _section(page, command.name)
        own = [o for o in command.options if o.flags != ["--json"]]
        missing = [flag for o in own for flag in o.flags if f"`{flag}" not in section]
        assert missing == [], f"atoll {command.name}"


def test_no_command_is_documented_that_is_not_there():
    titles = set(re.findall(r"^## ([a-z][a-z -]*)$", _page("commands.md"), re.MULTILINE))
    assert titles == {command.name for command in COMMANDS}


def test_every_exit_code_is_documented():
    section = _section(_page("commands.md"), "Exit codes")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == [
        code for code, _ in EXIT_CODES
    ]


def test_every_json_document_is_documented():
    written = {
        s for p in SOURCES for s in re.findall(r'"(atoll\.[a-z]+/\d+)"', p.read_text(encoding="utf-8"))
    }
    written |= {
        s
        for p in SOURCES
        for s in re.findall(r'"schema": "(atoll\.[a-z]+/\d+)"', p.read_text(encoding="utf-8"))
    }
    documented = set(re.findall(r"^\| `(atoll\.[a-z]+/\d+)`", _page("commands.md"), re.MULTILINE))
    assert written - {"atoll.history/1"} == documented


def test_every_event_is_documented_with_all_its_fields():
    section = _section(_page("journal.md"), "Events")
    for event in msgspec.inspect.type_info(journal.Event).types:
        name = event.cls.__struct_config__.tag
        row = re.search(rf"^\| `{name}` \|[^|]+\|([^|]+)\|$", section, re.MULTILINE)
        assert row, f"there is no row for {name}"
        fields = {f.name for f in event.fields} - {"time", "v"}
        assert set(re.findall(r"`(\w+)`", row[1])) == fields


def test_every_public_name_is_documented():
    page = _page("python.md")
    missing = [
        name for name in atoll.__all__ if not re.search(rf"`atoll\.{name}`|^#+ {name}$", page, re.MULTILINE)
    ]
    assert missing == []
