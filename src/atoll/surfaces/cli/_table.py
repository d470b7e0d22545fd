"""The commands: their words, options and examples; help, parsing and completion are all read from here.

Doesn't know how a command works. Plain classes and no imports, because `atoll --help` reads this.
"""

from __future__ import annotations

RUNS, FILES, FOLDERS, NOTHING = "runs", "files", "folders", ""


class Option:
    """`--flags VALUE`; without a value it is a switch."""

    def __init__(self, flags: str, value: str = "", help: str = "", *, kind: str = "text", choices: tuple[str, ...] = (),
                 completes: str = NOTHING) -> None:  # fmt: skip
        self.flags, self.value, self.help = flags.split(), value, help
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
    """One verb: the module that carries it out is `_<module>`, the function has the verb's name."""

    def __init__(self, name: str, summary: str, *, examples: tuple[tuple[str, str], ...], module: str = "",
                 arguments: tuple[Argument, ...] = (), options: tuple[Option, ...] = (), notes: str = "") -> None:  # fmt: skip
        self.name, self.summary, self.examples, self.notes = name, summary, examples, notes
        self.module = module or name
        self.arguments, self.options = arguments, (*options, _JSON)


_JSON = Option("--json", help="one JSON document on stdout, and nothing else there")
_RUN = Argument("RUN", "", "@latest, a name, an id, or the beginning of one", completes=RUNS)
_WORKERS = Option(
    "--workers",
    "N",
    'processes to train in; 0 is this one, "auto" starts more when there is much to do',
    kind="workers",
)
_FAIL_FAST = Option(
    "--fail-fast",
    help="one process; the first error of a client ends the run with its traceback; breakpoint() works",
)
_QUIET = Option("-q --quiet", help="no progress")

COMMANDS = (
    Command(
        "new", "make an app from a template",
        examples=(("atoll new my-app", "asks for the template on a terminal"), ("atoll new my-app --template torch", "")),
        arguments=(Argument("NAME", "", "the app's name, or the path of its folder", completes=FOLDERS),),
        options=(Option("-t --template", "NAME", "numpy or torch", choices=("numpy", "torch")),),
    ),
    Command(
        "run", "simulate the app in this folder",
        examples=(
            ("atoll run", ""),
            ("atoll run --set rounds=5 --set lr=0.1 --nodes 50 --seed 7", "other settings, for this run"),
            ("atoll run --fail-fast", "to find a mistake: your own traceback, and breakpoint() works"),
        ),
        arguments=(Argument("FOLDER", "?", "the app's folder; this one when left out", completes=FOLDERS),),
        options=(
            Option("-s --set", "KEY=VALUE", "a value of [tool.atoll.config]; can be given more than once", kind="many"),
            Option("-n --nodes", "N", "how many nodes to simulate", kind="number"),
            Option("--seed", "N", "where all randomness comes from", kind="number"),
            _WORKERS, Option("--name", "NAME", "what to call the run"), _FAIL_FAST, _QUIET,
        ),
        notes="^C stops the run cleanly; `atoll resume` goes on with it.",
    ),
    Command(
        "ls", "list the runs, newest first", module="list",
        examples=(("atoll ls", ""), ("atoll ls --limit 5 --json", "")),
        options=(Option("--limit", "N", "at most so many", kind="number"),),
    ),
    Command(
        "show", "show a run: config, rounds, failures, where the model is",
        examples=(("atoll show @latest", ""), ("atoll show my-app-3", "")),
        arguments=(_RUN,),
    ),
    Command(
        "log", "show what a run logged",
        examples=(("atoll log @latest --follow", "as it comes"), ("atoll log my-app-3 --node node-4 --level warning", "")),
        arguments=(_RUN,),
        options=(
            Option("-f --follow", help="go on until the run ends"),
            Option("--node", "NODE", "of one node only"),
            Option("--level", "LEVEL", "at least as grave", choices=("debug", "output", "info", "warning", "error")),
            Option("--round", "N", "of one round only", kind="number"),
        ),
    ),
    Command(
        "pull", "take a run's model or metrics home",
        examples=(("atoll pull @latest -o model.safetensors", ""), ("atoll pull my-app-3 --metrics -o metrics.csv", "or metrics.json")),
        arguments=(_RUN,),
        options=(
            Option("-o --output", "FILE", "where to; - is stdout, for metrics", completes=FILES),
            Option("--metrics", help="the metrics, one row a number, as CSV or JSON by the file's ending"),
            Option("--state", "NAME", "which of the named states of the last round; `model` when left out"),
        ),
    ),
    Command(
        "resume", "go on with a run that was stopped, killed or failed", module="run",
        examples=(("atoll resume @latest", ""), ("atoll resume my-app-3 --workers 4", "")),
        arguments=(_RUN,), options=(_WORKERS, _FAIL_FAST, _QUIET),
    ),
    Command(
        "stop", "stop a run that another terminal runs",
        examples=(("atoll stop @latest", ""),), arguments=(_RUN,),
        options=(Option("--kill", help="end its process at once; what was committed is kept"),),
    ),
    Command(
        "rm", "delete runs with all they kept", module="remove",
        examples=(("atoll rm my-app-3", ""), ("atoll rm my-app-1 my-app-2 --yes", "without asking")),
        arguments=(Argument("RUN", "+", _RUN.help, completes=RUNS),),
        options=(Option("-y --yes", help="don't ask"),),
    ),
    Command("doctor", "check whether this machine is fit", examples=(("atoll doctor", ""),)),
    Command(
        "completion", "print the completion script of a shell",
        examples=(
            ('eval "$(atoll completion bash)"', "in ~/.bashrc"),
            ('eval "$(atoll completion zsh)"', "in ~/.zshrc"),
            ("atoll completion fish | source", "in ~/.config/fish/config.fish"),
        ),
        arguments=(Argument("SHELL", "", "bash, zsh or fish", choices=("bash", "zsh", "fish")),),
    ),
)  # fmt: skip

EXIT_CODES = (
    (0, "done"),
    (1, "the run failed, or something went wrong"),
    (2, "a mistake in the command, the project or its config; nothing was started"),
    (3, "what was named does not exist"),
    (4, "the run was stopped; `atoll resume` goes on with it"),
    (5, "this machine is not fit (`atoll doctor`)"),
    (130, "interrupted; a run that was going can still be resumed"),
    (141, "nobody reads the output any more"),
)


def command(name: str) -> Command | None:
    """The command of that name."""
    return next((c for c in COMMANDS if c.name == name), None)
