"""Killing what makes a federation up, one process after another, at moments that chance chooses; the seed is told.

Doesn't know what has to be true afterwards.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

from ordeal import Ordeal, children, kill

EVERYBODY = ("coordinator", "node", "worker", "host", "program")
MIDDLE = (
    "both",
    "both",
    "both",
    "coordinator",
    "host",
    "program",
)  # where the host is the coordinator's child
Moment = Callable[[Ordeal, random.Random], None]
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)


def disturb(
    ordeal: Ordeal,
    random: random.Random,
    rounds: int,
    kills: int,
    *,
    targets: tuple[str, ...],
    moment: Moment,
) -> list[str]:
    """Kill so many processes, each when a moment has come; no round ends before its part of them is done."""
    done: list[str] = []
    for round in range(1, rounds + 1):
        while len(done) < kills * round // rounds:
            moment(ordeal, random)
            if killed := strike(ordeal, random.choice(targets), random):
                done.append(killed)
        ordeal.open_gate(round)
    return done


def while_they_train(ordeal: Ordeal, random: random.Random) -> None:
    """After some trainings have begun or ended, and a moment more."""
    ordeal.hear(random.randrange(3))
    spin(random.random() * 0.1)


def at_any_time(ordeal: Ordeal, random: random.Random) -> None:
    """Mostly before those who were killed are there again."""
    if random.random() < 0.15:
        ordeal.hear(random.randrange(5))
    time.sleep(random.random() ** 3 * 0.7)


def strike(ordeal: Ordeal, target: str, random: random.Random) -> str:
    """Kill one process of a kind, or the coordinator and its host one right after the other; "" when there is none just now."""
    if target == "worker":
        return among(children(ordeal.daemons[one_of(ordeal, random)].pid), target, random)
    if target == "node":
        target = one_of(ordeal, random)
    if target in ordeal.daemons:
        ordeal.daemons[target].kill()
        return target
    host = ordeal.host()
    if host is None:
        return ""
    if target == "program":
        return among(children(host), target, random)
    both = [host, *([ordeal.daemons["coordinator"].pid] if target == "both" else [])]
    random.shuffle(both)
    killed = [kill(pid) for pid in both]
    return target if any(killed) else ""


def one_of(ordeal: Ordeal, random: random.Random) -> str:
    """A node."""
    return f"node-{random.randrange(ordeal.count)}"


def among(living: list[int], what: str, random: random.Random) -> str:
    """Kill one of these, if there are any."""
    return what if living and kill(random.choice(living)) else ""


def spin(seconds: float) -> None:
    """A moment, to the microsecond."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
