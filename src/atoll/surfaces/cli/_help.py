"""Help: examples first, out of the table.

Doesn't know how options are parsed.
"""

from __future__ import annotations

from atoll.surfaces.cli._command import Command
from atoll.surfaces.cli._identity_table import IDENTITY
from atoll.surfaces.cli._records_table import RECORDS
from atoll.surfaces.cli._service_table import SERVICE
from atoll.surfaces.cli._table import COMMANDS, EXIT_CODES, GROUPS, RUN_COMMANDS, TOOLS, command, named

_FIRST = (
    ("atoll new my-app", "make an app from a template"),
    ("cd my-app && atoll run", "simulate it: no server, no account, no network"),
    ("atoll run --set rounds=5 --nodes 50", "with other settings"),
    ("atoll ls", "the runs, newest first"),
    ("atoll log @latest --follow", "what the latest one logs"),
    ("atoll pull @latest -o model.safetensors", "take the model home"),
    ("atoll up --nodes 3 && atoll run --on local", "a real federation, on this machine"),
)


def show_help(words: list[str]) -> bool:
    """Print the help of the command that words begin with, or of all; False when there is no such command."""
    if not words:
        print(overview())
        return True
    name, _ = named(words)
    found = command(name)
    if found is not None:
        print(of_command(found))
    elif words[0] in GROUPS:
        print(of_group(words[0]))
    return found is not None or words[0] in GROUPS


def overview() -> str:
    """What `atoll --help` prints."""
    return "\n".join(
        [
            "Atoll: federated learning. Data stays where it was made; models travel.",
            *_section("Examples", _FIRST),
            *_section("Commands", _summaries(RUN_COMMANDS)),
            *_section("A real federation", _summaries(SERVICE)),
            *_section("Who may do what", _summaries(IDENTITY)),
            *_section("Who did what", _summaries(RECORDS)),
            *_section("This machine", _summaries(TOOLS)),
            *_section(
                "Options",
                (("--version", "print the version"), ("--help", "print this; after a command, its own help")),
            ),
            *_section(
                "Environment",
                (
                    ("ATOLL_HOME", "where runs are kept; ~/.atoll when not set"),
                    ("ATOLL_CONTEXT", "where commands go, instead of what `atoll context use` chose"),
                    ("ATOLL_CONFIG", "where contexts are kept; ~/.config/atoll when not set"),
                    ("NO_COLOR", "no colours"),
                ),
            ),
            *_section("Exit codes", tuple((str(code), meaning) for code, meaning in EXIT_CODES)),
            "",
            "RUN is @latest, a run's name, its id, or the beginning of its id. Every command takes --json.",
        ]
    )


def of_group(group: str) -> str:
    """What `atoll <noun> --help` prints."""
    own = tuple(c for c in COMMANDS if c.group == group)
    return "\n".join([f"atoll {group} VERB [OPTIONS]", *_section("Commands", _summaries(own))])


def _summaries(commands: tuple[Command, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((c.name, c.summary) for c in commands)


def of_command(c: Command) -> str:
    """What `atoll <command> --help` prints."""
    words = ["atoll", c.name, *(a.usage for a in c.arguments), "[OPTIONS]"]
    arguments = tuple((a.name, a.help) for a in c.arguments)
    options = (*((_flags(o.flags, o.value), o.help) for o in c.options), ("--help", "print this"))
    sections = [*_section("Examples", c.examples), *_section("Usage", ((" ".join(words), ""),))]
    if arguments:
        sections += _section("Arguments", arguments)
    sections += _section("Options", options)
    notes = c.notes if isinstance(c.notes, str) else c.notes()
    return "\n".join([f"atoll {c.name}: {c.summary}", *sections, *(["", notes] if notes else [])])


def _flags(flags: list[str], value: str) -> str:
    shown = ", ".join(flags) if len(flags) > 1 else f"    {flags[0]}"
    return f"{shown} {value}".rstrip()


def _section(title: str, rows: tuple[tuple[str, str], ...]) -> list[str]:
    width = max(len(left) for left, _ in rows)
    return ["", f"{title}:", *(f"  {left.ljust(width)}  {right}".rstrip() for left, right in rows)]
