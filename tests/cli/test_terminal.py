"""On a terminal: a real one, as far as a program can tell."""

import os
import re
import select
import sys
from collections.abc import Callable

import pytest

pty = pytest.importorskip("pty")


class Terminal:
    """A command on a terminal of its own; `screen` is all that it wrote."""

    def __init__(self, shell, *words: str, **environment: str) -> None:
        kept = {n: v for n, v in shell.environment.items() if n not in ("NO_COLOR", "TERM")}
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(shell.folder)
            os.execve(sys.executable, [sys.executable, "-m", "atoll", *words], {**kept, "TERM": "xterm-256color", **environment})
        self.screen = ""

    def until(self, done: Callable[[str], object]) -> str:
        while not done(self.screen):
            assert select.select([self._terminal], [], [], 30)[0], self.screen
            try:
                read = os.read(self._terminal, 65536)
            except OSError:  # it is closed
                read = b""
            if not read:
                break
            self.screen += read.decode(errors="replace")
        return self.screen

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def end(self) -> int:
        self.until(lambda _: False)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def left_standing(screen: str) -> list[str]:
    """The lines that a terminal shows in the end, without colours."""
    lines, row = [""], 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", screen):
        if part == "\n":
            row += 1
            lines += [""] * (row >= len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif match := re.fullmatch(r"\x1b\[(\d*)A", part):
            row -= int(match[1] or 1)
        elif part and not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line.rstrip() for line in lines]


def test_a_live_line_tells_round_clients_loss_and_time_left(shell):
    terminal = Terminal(shell, "run", "--set", "pause=0.1")
    assert terminal.end() == 0
    assert re.search(r"round .*2/3.*train [0-3]/3", terminal.screen)
    assert "loss 0.3333" in terminal.screen
    assert re.search(r"0:0\d left", terminal.screen)


def test_only_finished_lines_are_left_standing(shell):
    terminal = Terminal(shell, "run", "--set", "pause=0.05", "--set", "mood=print")
    assert terminal.end() == 0
    lines = left_standing(terminal.screen)
    assert not [line for line in lines if "━" in line]
    assert sum(line.startswith("hello from node-") for line in lines) == 9
    assert [line.split()[1] for line in lines if line.startswith("round")] == ["1/3", "2/3", "3/3"]
    assert "\x1b[?25h" in terminal.screen.split("\x1b[?25l")[-1]  # the cursor is back


def test_ctrl_c_stops_and_says_how_to_resume(shell):
    terminal = Terminal(shell, "run", "--set", "pause=0.1", "--set", "rounds=100")
    terminal.until(lambda screen: "2/100" in screen)
    terminal.type("\x03")
    assert terminal.end() == 4
    assert "atoll resume tiny-1" in terminal.screen
    assert "Traceback" not in terminal.screen


def test_no_color_is_respected(past):
    coloured, bare = Terminal(past, "ls"), Terminal(past, "ls", NO_COLOR="1")
    assert (coloured.end(), bare.end()) == (0, 0)
    assert "\x1b[32m" in coloured.screen
    assert "\x1b" not in bare.screen


def test_a_dumb_terminal_gets_plain_lines(shell):
    terminal = Terminal(shell, "run", TERM="dumb")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.screen


def test_new_asks_for_the_template(shell):
    terminal = Terminal(shell, "new", "mine")
    terminal.until(lambda screen: "template [numpy]:" in screen)
    terminal.type("\n")
    assert terminal.end() == 0
    assert (shell.folder / "mine" / "pyproject.toml").exists()


def test_rm_asks_before_it_deletes(shell):
    shell("run", "--quiet", "--set", "rounds=1")
    for answer, left in (("n", 1), ("y", 0)):
        terminal = Terminal(shell, "rm", "@latest")
        terminal.until(lambda screen: "[y/N]" in screen)
        terminal.type(f"{answer}\n")
        assert terminal.end() == 0
        assert len(shell("ls", "--json").document["runs"]) == left
