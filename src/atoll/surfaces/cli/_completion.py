"""`atoll completion`: the completion script of a shell, written out of the table.

Doesn't run anything while somebody types, but `atoll __complete` where a run or a context is wanted.
"""

from __future__ import annotations

from argparse import Namespace

from atoll.surfaces.cli._command import CONTEXTS, FILES, FOLDERS, RUNS, Argument, Command, Option
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._table import COMMANDS, GROUPS


def completion(values: Namespace, out: Output) -> int:
    """Print a script."""
    script = {"bash": bash, "zsh": zsh, "fish": fish}[values.shell]()
    out.document("atoll.completion/1", {"shell": values.shell, "script": script})
    out.line(script.rstrip())
    return 0


def bash() -> str:
    """For bash."""
    cases = "\n".join(
        f"    {_cased(c)}) options='{' '.join(_flags(c))}'; want={_want(c.arguments)} ;;" for c in COMMANDS
    )
    values = "\n".join(
        f"    {_cased(c)}:{flag}) {_bash_value(o)}; return ;;"
        for c in COMMANDS
        for o in c.options
        if o.value
        for flag in o.flags
    )
    groups = "\n".join(f"    {group}) seconds='{_verbs(group)}' ;;" for group in GROUPS)
    return f"""\
_atoll() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} verb=${{COMP_WORDS[1]}} options= want= seconds=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{_verbs("")} --help --version' -- "$current")); return
  fi
  case "$verb" in
{groups}
  esac
  if [ -n "$seconds" ]; then
    if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "$seconds" -- "$current")); return; fi
    verb="$verb ${{COMP_WORDS[2]}}"
  fi
  case "$verb:$previous" in
{values}
  esac
  case "$verb" in
{cases}
  esac
  case "$current:$want" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *:runs) COMPREPLY=($(compgen -W "$(atoll __complete runs 2>/dev/null)" -- "$current")) ;;
    *:contexts) COMPREPLY=($(compgen -W "$(atoll __complete contexts 2>/dev/null)" -- "$current")) ;;
    *:folders) COMPREPLY=($(compgen -d -- "$current")) ;;
    *:files) COMPREPLY=($(compgen -f -- "$current")) ;;
    *:bash*) COMPREPLY=($(compgen -W "${{want//,/ }}" -- "$current")) ;;
  esac
}}
complete -F _atoll atoll
"""


def zsh() -> str:
    """For zsh."""
    verbs = "\n".join(
        f"    '{name}:{summary}'"
        for name, summary in (*((c.name, c.summary) for c in COMMANDS if not c.group), *_of_groups())
    )
    groups = "\n".join(f"    {group}) seconds=({_verbs(group)}) ;;" for group in GROUPS)
    cases = "\n".join(f"    {_cased(c)}) _arguments {_zsh_arguments(c)} ;;" for c in COMMANDS)
    return f"""\
#compdef atoll
_atoll_runs() {{ local -a runs; runs=(${{(f)"$(atoll __complete runs 2>/dev/null)"}}); compadd -a runs }}
_atoll_contexts() {{ local -a names; names=(${{(f)"$(atoll __complete contexts 2>/dev/null)"}}); compadd -a names }}
_atoll() {{
  local -a verbs seconds
  verbs=(
{verbs}
  )
  if (( CURRENT == 2 )); then _describe command verbs; return; fi
  local verb=$words[2]
  case $verb in
{groups}
  esac
  shift words; (( CURRENT-- ))
  if (( $#seconds )); then
    if (( CURRENT == 2 )); then compadd -a seconds; return; fi
    verb="$verb $words[2]"
    shift words; (( CURRENT-- ))
  fi
  case $verb in
{cases}
  esac
}}
if [ "$funcstack[1]" = _atoll ]; then _atoll "$@"; else compdef _atoll atoll; fi
"""


def fish() -> str:
    """For fish."""
    lines = ["complete -c atoll -f"]
    for group, summary in _of_groups():
        lines.append(f"complete -c atoll -n __fish_use_subcommand -a {group} -d {_quoted(summary)}")
    for c in COMMANDS:
        verb = c.name.rpartition(" ")[2]
        first = f"'__fish_seen_subcommand_from {c.group}'" if c.group else "__fish_use_subcommand"
        lines.append(f"complete -c atoll -n {first} -a {verb} -d {_quoted(c.summary)}")
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in c.name.split())
        when = f"-n '{seen}'"
        lines += [
            f"complete -c atoll {when} {_fish_candidates(a.completes, a.choices)}"
            for a in c.arguments
            if a.completes or a.choices
        ]
        for o in c.options:
            short = "".join(f" -s {f[1:]}" for f in o.flags if not f.startswith("--"))
            takes = f" -r {_fish_candidates(o.completes, o.choices)}" if o.value else ""
            lines.append(
                f"complete -c atoll {when}{short} -l {o.long[2:]}{takes.rstrip()} -d {_quoted(o.help)}"
            )
    return "\n".join(lines) + "\n"


def _verbs(group: str) -> str:
    """What can be typed after a noun, or first."""
    own = [c.name.rpartition(" ")[2] for c in COMMANDS if c.group == group]
    return " ".join([*own, *(() if group else GROUPS)])


def _of_groups() -> list[tuple[str, str]]:
    return [(group, f"{_verbs(group).replace(' ', ', ')}") for group in GROUPS]


def _cased(c: Command) -> str:
    return f"'{c.name}'" if c.group else c.name


def _flags(c: Command) -> list[str]:
    return [flag for o in c.options for flag in o.flags] + ["--help"]


def _want(arguments: tuple[Argument, ...]) -> str:
    return ",".join(arguments[0].choices) or arguments[0].completes or "''" if arguments else "''"


def _bash_value(o: Option) -> str:
    if o.completes in (FILES, FOLDERS):
        return f'COMPREPLY=($(compgen -{"f" if o.completes == FILES else "d"} -- "$current"))'
    if o.completes == CONTEXTS:
        return 'COMPREPLY=($(compgen -W "$(atoll __complete contexts 2>/dev/null)" -- "$current"))'
    return f"COMPREPLY=($(compgen -W '{' '.join(o.choices)}' -- \"$current\"))"


def _zsh_arguments(c: Command) -> str:
    parts = []
    for o in c.options:
        parts += [
            _quoted(
                f"{flag}[{_bare(o.help)}]"
                + (f":{o.value}:{_zsh_action(o.completes, o.choices)}" if o.value else "")
            )
            for flag in o.flags
        ]
    for a in c.arguments:
        parts.append(
            _quoted(("*" if a.count == "+" else "") + f":{a.name}:{_zsh_action(a.completes, a.choices)}")
        )
    return " ".join(parts)


def _zsh_action(completes: str, choices: tuple[str, ...]) -> str:
    return (
        f"({' '.join(choices)})"
        if choices
        else {RUNS: "_atoll_runs", CONTEXTS: "_atoll_contexts", FILES: "_files", FOLDERS: "_files -/"}.get(
            completes, ""
        )
    )


def _fish_candidates(completes: str, choices: tuple[str, ...]) -> str:
    wanted = {
        RUNS: "-a '(atoll __complete runs)'",
        CONTEXTS: "-a '(atoll __complete contexts)'",
        FILES: "-F",
        FOLDERS: "-a '(__fish_complete_directories)'",
    }
    return f"-a '{' '.join(choices)}'" if choices else wanted.get(completes, "")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bare(text: str) -> str:
    return text.replace("[", "(").replace("]", ")").replace(":", ";")
