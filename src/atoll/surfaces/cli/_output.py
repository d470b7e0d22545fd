"""What a command says: lines and tables for eyes, one document for programs, errors for both.

Doesn't know what it is about. Colours only on a terminal, and never against NO_COLOR.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from atoll.values import AtollError

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_REFUSALS = {400: 2, 404: 3}  # exit codes for what a coordinator answers: malformed, not there
STATUS_COLOURS = {
    "finished": "green",
    "failed": "red",
    "stopped": "yellow",
    "interrupted": "yellow",
    "running": "cyan",
}


class Output:
    """Standard output and standard error of one command.

    With `as_json`, standard output belongs to the document alone: file descriptor 1 is pointed at standard error until
    it is written, so that neither a print nor a library gets in between.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.on = ""  # what a next command has to say to go where this one went
        self._document: TextIO | None = None
        if as_json:
            sys.stdout.flush()
            self._document = os.fdopen(os.dup(1), "w", encoding="utf-8")
            os.dup2(2, 1)

    # -- for eyes ------------------------------------------------------------------------------------------

    def line(self, text: str = "") -> None:
        """A line of the answer; nothing under --json."""
        if not self.as_json:
            print(text, flush=True)

    def note(self, text: str) -> None:
        """A line beside the answer, on standard error."""
        print(text, file=sys.stderr, flush=True)

    def paint(self, text: str, *colours: str, stream: TextIO | None = None) -> str:
        """The text in colour, where that is welcome."""
        if not colours or not self.colourful(stream or sys.stdout):
            return text
        return f"\x1b[{';'.join(_CODES[c] for c in colours)}m{text}\x1b[0m"

    @staticmethod
    def colourful(stream: TextIO) -> bool:
        """Whether a stream is a terminal that may be given colours."""
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> None:
        """An aligned table; `right` names the columns that are set right."""
        if self.as_json:
            return
        widths = [max(len(plain(r[i])) for r in [head, *rows]) for i in range(len(head))]

        def shown(row: Sequence[str]) -> str:
            cells = [
                _padded(c, w, right=name in right.split())
                for c, w, name in zip(row, widths, head, strict=True)
            ]
            return "  ".join(cells).rstrip()

        self.line(self.paint(shown(head), "dim"))
        for row in rows:
            self.line(shown(row))

    def ask(self, question: str) -> bool:
        """Yes or no, on a terminal only."""
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    @staticmethod
    def interactive() -> bool:
        """Whether somebody is there to be asked."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()

    # -- for programs --------------------------------------------------------------------------------------

    def document(self, schema: str, content: Mapping[str, Any]) -> None:
        """The one document, under --json; numbers that are none become null."""
        if self._document is None:
            return
        import msgspec

        body = msgspec.json.encode({"schema": schema, **content})
        self._document.write(msgspec.json.format(body, indent=2).decode() + "\n")
        self._document.close()
        self._document = None

    # -- for both ------------------------------------------------------------------------------------------

    def error(self, error: Exception, *, exit_code: int | None = None, **about: Any) -> int:
        """Say what went wrong, the mend below it; returns the exit code, the error's own unless another is given."""
        from atoll.values import AtollError

        if isinstance(error, AtollError):
            refused = _REFUSALS.get(getattr(error, "status", 0), error.exit_code)
            code = refused if exit_code is None else exit_code
            told = {"code": error.code, "message": error.message, "mend": error.mend}
            self._in_words(error)
        else:
            code = 1 if exit_code is None else exit_code
            told = {"code": "app.raised", "message": f"{type(error).__name__}: {error}", "mend": ""}
            from atoll.app import users_traceback

            self.note(users_traceback(error).rstrip())
        self.document("atoll.error/1", {**told, "exit_code": code, **about})
        return code

    def failed(self, reason: Mapping[str, str], **about: Any) -> None:
        """Say why a run failed elsewhere, as its journal tells it: as `error` does for one that failed here."""
        trace, message, mend = (reason.get(key, "") for key in ("traceback", "message", "mend"))
        ours = "\natoll." in trace  # an error of Atoll's own: its words say it all
        if trace and not ours:
            self.note(trace.rstrip())
        if reason.get("code") != "app.raised" or not trace:
            self.note(self.paint("error: ", "red", "bold", stream=sys.stderr) + message)
        if mend:
            self.note(self.paint("  mend: ", "dim", stream=sys.stderr) + mend)
        told = {"code": reason.get("code", "app.raised"), "message": message, "mend": mend}
        self.document("atoll.error/1", {**told, "exit_code": 1, **about})

    def _in_words(self, error: AtollError) -> None:
        failures = getattr(error, "failures", [])
        traced = next((f for f in failures if f.traceback), None)
        if traced is not None:
            self.note(f"{traced.node}: {traced.traceback.rstrip()}")
        self.note(self.paint("error: ", "red", "bold", stream=sys.stderr) + error.message)
        from atoll.app import users_place

        place = users_place(error)
        if place and traced is None:
            self.note(self.paint("  at: ", "dim", stream=sys.stderr) + place)
        if error.mend:
            self.note(self.paint("  mend: ", "dim", stream=sys.stderr) + error.mend)


def plain(text: str) -> str:
    """A text without its colours."""
    while "\x1b[" in text:
        before, _, rest = text.partition("\x1b[")
        text = before + rest.partition("m")[2]
    return text


def _padded(text: str, width: int, *, right: bool) -> str:
    gap = " " * (width - len(plain(text)))
    return gap + text if right else text + gap
