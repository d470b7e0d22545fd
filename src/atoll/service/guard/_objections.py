"""Why a machine doesn't do what it is asked: the name of a rule, and what broke it.

Doesn't know the rules; whoever checks them raises this.
"""

from __future__ import annotations

from atoll.values import AtollError


class Objection(AtollError):
    """A machine's refusal: `rule` is its name, and stands first in the message (`run.refused`)."""

    def __init__(self, rule: str, message: str, mend: str) -> None:
        super().__init__("run.refused", f"rule {rule}: {message}", mend)
        self.rule = rule
