"""A preflight: can this app be loaded here, and is its data there?

Doesn't know who asked. It uses a worker of its own, which ends with it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from atoll.service.workshop import Ready, Told, Unfit, Worker
from atoll.values import AtollError
from atoll.wire import Problem

PATIENCE = 50.0  # seconds; whoever asked waits for a minute

Launch = Callable[[Callable[[Worker, Told | None], None]], Worker]


def probe(launch: Launch) -> tuple[list[Problem], Ready]:
    """The problems of an app at this node (none: it is fit), and what it would use."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    try:
        worker = launch(lambda _, word: told.put(word))
    except AtollError as error:
        return [Problem(code=error.code, message=error.message, mend=error.mend)], Ready()
    try:
        return _answer(told)
    finally:
        worker.end(kill=True)


def _answer(told: queue.SimpleQueue[Any]) -> tuple[list[Problem], Ready]:
    while True:
        try:
            word = told.get(timeout=PATIENCE)
        except queue.Empty:
            return [_problem(f"the app was not loaded within {PATIENCE:g} s")], Ready()
        if isinstance(word, Ready):
            return [], word
        if isinstance(word, Unfit):
            return [Problem(code=word.code, message=word.message, mend=word.mend)], Ready()
        if word is None:
            return [_problem("the worker died while it loaded the app")], Ready()


def _problem(message: str) -> Problem:
    return Problem(code="worker.unfit", message=message, mend="see the app's imports and the node's --data")
