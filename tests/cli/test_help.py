import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import atoll
from atoll.surfaces.cli._table import COMMANDS, EXIT_CODES

Shell = Callable[..., object]


def test_the_version_is_that_of_the_package(shell):
    assert shell("--version").out == f"atoll {atoll.__version__}\n"
    assert shell("--version", "--json").document == {
        "schema": "atoll.version/1",
        "version": atoll.__version__,
    }


def test_help_shows_examples_first_then_every_command_and_exit_code(shell):
    out = shell("--help").out
    assert out.index("Examples:") < out.index("Commands:")
    assert all(f"\n  {c.name} " in out for c in COMMANDS)
    assert all(f"\n  {code} " in out for code, _ in EXIT_CODES)


def test_no_words_at_all_are_a_call_for_help(shell):
    assert shell().out == shell("--help").out == shell("help").out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_each_command_has_a_help_that_names_all_its_options(command):
    from atoll.surfaces.cli._help import of_command

    out = of_command(command)
    assert out.index("Examples:") < out.index("Usage:")
    assert all(flag in out for option in command.options for flag in option.flags)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_each_command_is_carried_out_by_the_function_of_its_name(command):
    from importlib import import_module

    assert callable(getattr(import_module(f"atoll.surfaces.cli._{command.module}"), command.function))


def test_every_example_in_the_help_can_be_parsed():
    import shlex

    from atoll.surfaces.cli._parse import parse

    for command in COMMANDS:
        for example, _ in command.examples:
            words = shlex.split(example.removeprefix('eval "$(').removesuffix(')"').partition(" | ")[0])
            assert words[0] == "atoll"
            assert parse(words[1:])[0] is command


def test_help_after_other_words_is_the_command_s_own(shell):
    assert shell("run", "--nodes", "3", "--help").out.startswith("atoll run: ")


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["__complete", "runs"]])
def test_what_must_be_instant_imports_nothing_heavy(words, shell):
    program = f"import sys; from atoll.surfaces.cli import main; main({words!r}); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run(
        [sys.executable, "-c", program], env=shell.environment, capture_output=True, text=True, check=True
    )
    loaded = set(ran.stderr.split())
    assert not loaded & {
        "numpy",
        "msgspec",
        "argparse",
        "rich",
        "importlib.metadata",
        "inspect",
        "dataclasses",
        "json",
    }


def test_a_mistyped_command_is_answered_with_the_nearest_one(shell):
    said = shell("rnu")
    assert said.code == 2
    assert "there is no command `rnu`" in said.err
    assert "did you mean `run`?" in said.err


def test_a_mistyped_option_is_answered_with_the_nearest_one(shell):
    said = shell("run", "--sed", "3")
    assert said.code == 2
    assert "did you mean `--seed`?" in said.err


def test_what_flower_calls_otherwise_is_answered_with_the_name_here(shell):
    assert "did you mean `--set`?" in shell("run", "--run-config", "lr=0.1").err
    assert "did you mean `--nodes`?" in shell("run", "--federation-config", "num-supernodes=3").err


@pytest.mark.parametrize(
    ("words", "told"),
    [(["run", "--nodes", "many"], "is no whole number"), (["run", "--workers", "lots"], "neither a number nor auto"), (["show"], "RUN"),
     (["completion", "tcsh"], "tcsh"), (["run", "here", "there"], "takes no `there`"), (["--json"], "before a command")],
)  # fmt: skip
def test_a_usage_error_says_what_is_wrong_and_exits_with_2(words, told, shell):
    said = shell(*words)
    assert (said.code, told in said.err) == (2, True), said.err
    assert said.out == "" or "--json" in words


def test_with_json_an_error_is_a_document_too(shell):
    said = shell("shw", "--json")
    assert said.document["schema"] == "atoll.error/1"
    assert (said.document["code"], said.document["exit_code"], said.code) == ("cli.unknown-command", 2, 2)


def test_a_reader_that_has_seen_enough_makes_no_noise(past):
    reader, writer = os.pipe()
    os.close(reader)
    with past.start("ls", stdout=writer) as process:
        os.close(writer)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(shell_name, shell):
    script = shell("completion", shell_name).out
    for command in COMMANDS:
        assert all(word in script for word in command.name.split())
        assert all(option.long.lstrip("-") in script for option in command.options)
    assert "atoll __complete runs" in script


def bash_completes(shell, script: Path, line: str) -> list[str]:
    words = line.split(" ")
    program = (
        f'source {script}; atoll() {{ {sys.executable} -m atoll "$@"; }}; COMP_WORDS=({" ".join(w or chr(39) * 2 for w in words)}); '
        f"COMP_CWORD={len(words) - 1}; _atoll; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    ran = subprocess.run(
        ["bash", "-c", program], env=shell.environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.split()


def test_bash_completes_commands_options_choices_and_run_names(past, tmp_path):
    script = tmp_path / "atoll.bash"
    script.write_text(past("completion", "bash").out)
    assert bash_completes(past, script, "atoll resu") == ["resume"]
    assert bash_completes(past, script, "atoll run --no") == ["--nodes"]
    assert bash_completes(past, script, "atoll new app --template n") == ["numpy"]
    assert bash_completes(past, script, "atoll show f") == ["flaky"]
    assert bash_completes(past, script, "atoll completion z") == ["zsh"]


def test_completion_without_any_runs_offers_the_latest_and_makes_no_home(shell):
    assert shell("__complete", "runs").out == "@latest\n"
    assert not shell.home.exists()


def test_the_thread_variables_are_those_of_the_runtime():
    from atoll.runtime import environment
    from atoll.surfaces.cli._threads import VARIABLES

    assert dict.fromkeys(VARIABLES, "1") == environment(1)
