"""What a command is in the table: its words, options and examples.

Doesn't know any. Plain classes and no imports, because `atoll --help` reads this.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

RUNS, FILES, FOLDERS, CONTEXTS, NOTHING = "runs", "files", "folders", "contexts", ""


class Option:
    """`--flags VALUE`; without a value it is a switch."""

    def __init__(self, flags: str, value: str = "", help: str = "", *, kind: str = "text", choices: tuple[str, ...] = (),
                 completes: str = NOTHING, into: str = "") -> None:  # fmt: skip
        self.flags, self.value, self.help = flags.split(), value, help
        self.into = into  # what it is called among the values, when not as the flag is
        self.kind, self.choices, self.completes = kind, choices, completes

    @property
    def long(self) -> str:
        return self.flags[-1]


class Argument:
    """A word that a command takes; `count` is "", "?" or "+", as in a regular expression."""

    def __init__(
        self, name: str, count: str, help: str, *, completes: str = NOTHING, choices: tuple[str, ...] = ()
    ) -> None:
        self.name, self.count, self.help, self.completes, self.choices = name, count, help, completes, choices

    @property
    def usage(self) -> str:
        return {"": "{}", "?": "[{}]", "+": "{}..."}[self.count].format(self.name)


class Command:
    """One verb, or a noun and a verb: the module that carries it out is `_<module>`, the function has the verb's name."""

    def __init__(self, name: str, summary: str, *, examples: tuple[tuple[str, str], ...], module: str = "",
                 arguments: tuple[Argument, ...] = (), options: tuple[Option, ...] = (), notes: str | Callable[[], str] = "") -> None:  # fmt: skip
        self.name, self.summary, self.examples, self.notes = name, summary, examples, notes
        self.group, _, verb = name.rpartition(" ")
        self.module = module or self.group or name
        self.function = verb.replace("-", "_")
        self.arguments, self.options = arguments, (*options, _JSON)


_JSON = Option("--json", help="one JSON document on stdout, and nothing else there")
