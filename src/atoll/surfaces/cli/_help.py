"""Help: examples first, out of the table.

Doesn't know how options are parsed.
"""

from __future__ import annotations

from atoll.surfaces.cli._table import COMMANDS, EXIT_CODES, Command, command

_FIRST = (
    ("atoll new my-app", "make an app from a template"),
    ("cd my-app && atoll run", "simulate it: no server, no account, no network"),
    ("atoll run --set rounds=5 --nodes 50", "with other settings"),
    ("atoll ls", "the runs, newest first"),
    ("atoll log @latest --follow", "what the latest one logs"),
    ("atoll pull @latest -o model.safetensors", "take the model home"),
)


def show_help(name: str = "") -> bool:
    """Print the help of a command, or of all; False when there is no such command."""
    if not name:
        print(overview())
        return True
    found = command(name)
    if found is not None:
        print(of_command(found))
    return found is not None


def overview() -> str:
    """What `atoll --help` prints."""
    return "\n".join(
        [
            "Atoll: federated learning. Data stays where it was made; models travel.",
            *_section("Examples", _FIRST),
            *_section("Commands", tuple((c.name, c.summary) for c in COMMANDS)),
            *_section(
                "Options",
                (("--version", "print the version"), ("--help", "print this; after a command, its own help")),
            ),
            *_section(
                "Environment",
                (("ATOLL_HOME", "where runs are kept; ~/.atoll when not set"), ("NO_COLOR", "no colours")),
            ),
            *_section("Exit codes", tuple((str(code), meaning) for code, meaning in EXIT_CODES)),
            "",
            "RUN is @latest, a run's name, its id, or the beginning of its id. Every command takes --json.",
        ]
    )


def of_command(c: Command) -> str:
    """What `atoll <command> --help` prints."""
    words = ["atoll", c.name, *(a.usage for a in c.arguments), "[OPTIONS]"]
    arguments = tuple((a.name, a.help) for a in c.arguments)
    options = (*((_flags(o.flags, o.value), o.help) for o in c.options), ("--help", "print this"))
    sections = [*_section("Examples", c.examples), *_section("Usage", ((" ".join(words), ""),))]
    if arguments:
        sections += _section("Arguments", arguments)
    sections += _section("Options", options)
    return "\n".join([f"atoll {c.name}: {c.summary}", *sections, *(["", c.notes] if c.notes else [])])


def _flags(flags: list[str], value: str) -> str:
    shown = ", ".join(flags) if len(flags) > 1 else f"    {flags[0]}"
    return f"{shown} {value}".rstrip()


def _section(title: str, rows: tuple[tuple[str, str], ...]) -> list[str]:
    width = max(len(left) for left, _ in rows)
    return ["", f"{title}:", *(f"  {left.ljust(width)}  {right}".rstrip() for left, right in rows)]
