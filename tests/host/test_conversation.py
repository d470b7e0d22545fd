"""What a program hears while it computes is heard once, however often it is told."""

from __future__ import annotations

import threading
from typing import Any

from atoll.service.host._conversation import Conversation
from atoll.wire import Bad, Heard, Outcome, Say


class Teller:
    """A coordinator that tells an outcome until it is said to be heard."""

    def __init__(self) -> None:
        self.answered = threading.Semaphore(0)
        self.heard: list[str] = []

    def call(self, method: str, path: str, body: Any, answer: Any, *, wait: float = 0) -> Any:
        assert isinstance(body, Say)
        self.heard += body.heard
        outcome = Outcome(
            key="1.0.1.node-0",
            digest="d",
            node="node-0",
            outcome=Bad(failure="raised", message="", traceback=""),
        )
        self.answered.release()
        return Heard(at=body.at, outcomes=[] if outcome.key in self.heard else [outcome])


def test_an_outcome_that_came_while_the_program_computed_is_heard_once() -> None:
    teller = Teller()
    talk = Conversation(teller, "run", 1, send_again=lambda: None)
    try:
        talk.event(b"a line of its log", {})
        assert teller.answered.acquire(timeout=30)  # told after a moment, and the outcome is here
        talk.event(b"another", {})
        assert [o.key for o in talk.listen(0.0)] == ["1.0.1.node-0"]
        talk.event(b"a third", {})
        assert talk.listen(0.0) == []
    finally:
        talk.close()
    assert teller.heard == ["1.0.1.node-0"]
