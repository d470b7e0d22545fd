"""Parsing a command's words by the table.

Doesn't know what the command does with them.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from atoll.surfaces.cli._command import Command, Option
from atoll.surfaces.cli._table import COMMANDS, GROUPS, command, named
from atoll.values import ConfigError, nearest, suggestion

_ELSEWHERE = {"--run-config": "--set", "--federation-config": "--nodes"}  # what another framework calls it


def parse(words: list[str]) -> tuple[Command, argparse.Namespace]:
    """The command and its values. Raises `ConfigError` (`cli.unknown-command`, `cli.unknown-option`, `cli.usage`)."""
    name, rest = named(words)
    if name.startswith("-"):
        raise ConfigError(
            "cli.usage", f"`{name}` comes before a command", "atoll COMMAND [OPTIONS]; see `atoll --help`"
        )
    found = command(name)
    if found is None:
        if name in GROUPS:
            verbs = ", ".join(c.name.split()[1] for c in COMMANDS if c.group == name)
            raise ConfigError(
                "cli.usage", f"`atoll {name}` needs a verb: {verbs}", f"see `atoll {name} --help`"
            )
        near = suggestion(name, [c.name for c in COMMANDS], what="commands")
        raise ConfigError(
            "cli.unknown-command", f"there is no command `{name}`", f"{near}; see `atoll --help`"
        )
    parser = _parser(found)
    values, unknown = (
        parser.parse_known_intermixed_args(rest) if _mixes(found) else parser.parse_known_args(rest)
    )
    if unknown:
        raise _unknown(found, unknown[0])
    return found, values


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError("cli.usage", f"{self.prog}: {message}", f"see `{self.prog} --help`")


def _mixes(found: Command) -> bool:
    return any(a.count == "+" for a in found.arguments)


def _parser(found: Command) -> _Parser:
    parser = _Parser(prog=f"atoll {found.name}", add_help=False, allow_abbrev=False)
    for argument in found.arguments:
        counted: dict[str, Any] = {"nargs": argument.count} if argument.count else {}
        parser.add_argument(
            argument.name.lower(), metavar=argument.name, choices=argument.choices or None, **counted
        )
    for option in found.options:
        named: dict[str, Any] = {"dest": option.into} if option.into else {}
        parser.add_argument(*option.flags, **named, **_reading(option))
    return parser


def _reading(option: Option) -> dict[str, Any]:
    if not option.value:
        return {"action": "store_true"}
    if option.kind == "many":
        return {"action": "append", "default": [], "metavar": option.value}
    read = {"number": _number, "workers": _workers, "text": str}[option.kind]
    return {"type": read, "metavar": option.value, "choices": option.choices or None}


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _workers(text: str) -> int | str:
    if text == "auto":
        return text
    if text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor auto")


def _unknown(found: Command, word: str) -> ConfigError:
    if not word.startswith("-"):
        return ConfigError(
            "cli.usage", f"atoll {found.name} takes no `{word}`", f"see `atoll {found.name} --help`"
        )
    option = word.partition("=")[0]
    here = [flag for o in found.options for flag in o.flags if flag.startswith("--")]
    near = _ELSEWHERE[option] if _ELSEWHERE.get(option) in here else nearest(option, here)
    mend = f"did you mean `{near}`?" if near else f"see `atoll {found.name} --help`"
    return ConfigError("cli.unknown-option", f"atoll {found.name} has no option `{option}`", mend)
