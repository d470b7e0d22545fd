"""The commands: their words, options and examples; help, parsing and completion are all read from here.

Doesn't know how a command works. Nothing heavy is imported, because `atoll --help` reads this.
"""

from __future__ import annotations

from atoll.surfaces.cli._command import CONTEXTS, FILES, FOLDERS, RUNS, Argument, Command, Option
from atoll.surfaces.cli._identity_table import IDENTITY
from atoll.surfaces.cli._records_table import RECORDS
from atoll.surfaces.cli._service_table import SERVICE
from atoll.surfaces.cli._templates import DEFAULT, listing, templates

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
_ON = Option("--on", "NAME", "the federation: a context, see `atoll context`", completes=CONTEXTS)
_DETACH = Option("--detach", help="on a federation: begin it, and don't wait")

RUN_COMMANDS = (
    Command(
        "new", "make an app from a template, or from another app",
        examples=(
            ("atoll new my-app", "asks for the template on a terminal"), ("atoll new my-app --template torch", ""),
            ("atoll new my-app --from ../their-app", "a copy of an app, under your own name"),
            ("atoll new my-app --from @latest", "of a run's app, as it was when the run began"),
        ),
        arguments=(Argument("NAME", "", "the app's name, or the path of its folder", completes=FOLDERS),),
        options=(
            Option("-t --template", "NAME", f"one of those below; {DEFAULT} where nobody can be asked", choices=templates()),
            Option("--from", "APP", "an app's folder, a bundle's file, or a run", completes=FOLDERS, into="source"),
        ),
        notes=listing,
    ),
    Command(
        "run", "run the app in this folder: simulated, or on a federation",
        examples=(
            ("atoll run", "simulated"),
            ("atoll run --set rounds=5 --set lr=0.1 --nodes 50 --seed 7", "other settings, for this run"),
            ("atoll run --fail-fast", "to find a mistake: your own traceback, and breakpoint() works"),
            ("atoll run --on hospitals --check", "whether every node of a federation can run it"),
            ("atoll run --on hospitals", "on that federation"),
            ("atoll run --on hospitals --server here", "its server app in this process, with breakpoint()"),
        ),
        arguments=(Argument("FOLDER", "?", "the app's folder; this one when left out", completes=FOLDERS),),
        options=(
            Option("-s --set", "KEY=VALUE", "a value of [tool.atoll.config]; can be given more than once", kind="many"),
            Option("-n --nodes", "N", "how many nodes to simulate", kind="number"),
            Option("--seed", "N", "where all randomness comes from", kind="number"),
            _WORKERS, Option("--name", "NAME", "what to call the run"), _FAIL_FAST, _QUIET, _ON, _DETACH,
            Option("--clock", "KEY=VALUE", "simulate in virtual time: a setting of its clock, or off; can be given more than once", kind="many"),
            Option("--check", help="on a federation: only look whether every node can run it"),
            Option("--server", "WHERE", "on a federation: run the server app there, or here", choices=("there", "here")),
        ),
        notes="^C stops a simulation cleanly; `atoll resume` goes on with it. A run on a federation goes on without you:\n"
        "^C only stops watching it.",
    ),
    Command(
        "ls", "list the runs, newest first", module="list",
        examples=(("atoll ls", ""), ("atoll ls --limit 5 --json", ""), ("atoll ls --on hospitals", "")),
        options=(Option("--limit", "N", "at most so many", kind="number"), _ON),
    ),
    Command(
        "show", "show a run: config, rounds, failures, where the model is",
        examples=(("atoll show @latest", ""), ("atoll show my-app-3", "")),
        arguments=(_RUN,), options=(_ON,),
    ),
    Command(
        "log", "show what a run logged",
        examples=(
            ("atoll log @latest --follow", "as it comes"), ("atoll log my-app-3 --node node-4 --level warning", ""),
            ("atoll log my-app-3 --since 10m", "of the last ten minutes"),
        ),
        arguments=(_RUN,),
        options=(
            Option("-f --follow", help="go on until the run ends"),
            Option("--node", "NODE", "of one node only"),
            Option("--level", "LEVEL", "at least as grave", choices=("debug", "output", "info", "warning", "error")),
            Option("--round", "N", "of one round only", kind="number"),
            Option("--since", "WHEN", "no older than 90s, 10m, 2h or 1d; or since a time: 14:30, 2026-01-31T14:30"),
            _ON,
        ),
    ),
    Command(
        "pull", "take a run's model, metrics or app home",
        examples=(("atoll pull @latest -o model.safetensors", ""), ("atoll pull my-app-3 --metrics -o metrics.csv", "or metrics.json")),
        arguments=(_RUN,),
        options=(
            Option("-o --output", "FILE", "where to; - is stdout, for metrics", completes=FILES),
            Option("--metrics", help="the metrics, one row a number, as CSV or JSON by the file's ending"),
            Option("--app", help="the app as it was when the run began, as one file for `atoll new --from`"),
            Option("--state", "NAME", "which of the named states of the last round; `model` when left out"),
            _ON,
        ),
    ),
    Command(
        "resume", "go on with a run that was stopped, killed or failed", module="run",
        examples=(("atoll resume @latest", ""), ("atoll resume my-app-3 --workers 4", "")),
        arguments=(_RUN,), options=(_WORKERS, _FAIL_FAST, _QUIET, _ON, _DETACH),
    ),
    Command(
        "rerun", "run a run again: its app as it was then, not as it is now",
        examples=(
            ("atoll rerun my-app-3", "the same model, to the bit"),
            ("atoll rerun my-app-3 --set lr=0.1 --seed 7", "with other settings"),
            ("atoll rerun my-app-3 --on hospitals", "what was simulated, on a federation"),
        ),
        arguments=(_RUN,),
        options=(
            Option("-s --set", "KEY=VALUE", "a value of the run's config; can be given more than once", kind="many"),
            Option("-n --nodes", "N", "how many nodes to simulate", kind="number"),
            Option("--seed", "N", "where all randomness comes from", kind="number"),
            _WORKERS, Option("--name", "NAME", "what to call the new run"), _FAIL_FAST, _QUIET, _ON, _DETACH,
        ),
        notes="RUN is looked for at --on, then where commands go without it; hospitals:my-app-3 is that of the context hospitals.",
    ),
    Command(
        "diff", "compare two runs: config, cohorts, metrics, models",
        examples=(
            ("atoll diff my-app-3 my-app-4", ""), ("atoll diff my-app-3 @latest --json", ""),
            ("atoll diff simulation:my-app-3 hospitals:my-app-7", "one of them simulated, one on a federation"),
        ),
        arguments=(_RUN, Argument("OTHER", "", "another one", completes=RUNS)), options=(_ON,),
    ),
    Command(
        "card", "tell all that is needed to repeat a run, in Markdown or JSON",
        examples=(
            ("atoll card my-app-3", "on the terminal"), ("atoll card my-app-3 -o card.md", "or card.json"),
            ("atoll card @latest --on hospitals", ""),
        ),
        arguments=(_RUN,),
        options=(Option("-o --output", "FILE", "where to: .md or .json", completes=FILES), _ON),
    ),
    Command(
        "stop", "stop a run of another terminal, or of a federation",
        examples=(("atoll stop @latest", ""),), arguments=(_RUN,),
        options=(Option("--kill", help="end its process at once; what was committed is kept"), _ON),
    ),
    Command(
        "rm", "delete runs with all they kept", module="remove",
        examples=(("atoll rm my-app-3", ""), ("atoll rm my-app-1 my-app-2 --yes", "without asking")),
        arguments=(Argument("RUN", "+", _RUN.help, completes=RUNS),),
        options=(Option("-y --yes", help="don't ask"), _ON),
    ),
)  # fmt: skip

TOOLS = (
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

COMMANDS = (*RUN_COMMANDS, *SERVICE, *IDENTITY, *RECORDS, *TOOLS)
GROUPS = tuple(dict.fromkeys(c.group for c in COMMANDS if c.group))

EXIT_CODES = (
    (0, "done"),
    (1, "the run failed, or something went wrong"),
    (2, "a mistake in the command, the project or its config; nothing was started"),
    (3, "what was named does not exist"),
    (4, "the run was stopped; `atoll resume` goes on with it"),
    (5, "this machine is not fit (`atoll doctor`), or a node can't run the app (`atoll run --check`)"),
    (130, "interrupted; a simulation that was going can be resumed, a run on a federation goes on"),
    (141, "nobody reads the output any more"),
)


def command(name: str) -> Command | None:
    """The command of that name."""
    return next((c for c in COMMANDS if c.name == name), None)


def named(words: list[str]) -> tuple[str, list[str]]:
    """The name that words begin with, one word or a noun and a verb, and the words after it."""
    taken = 2 if words[0] in GROUPS and len(words) > 1 and not words[1].startswith("-") else 1
    return " ".join(words[:taken]), words[taken:]
