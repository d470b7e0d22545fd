"""Killing what makes a federation up, one process after another, at moments that chance chooses; the seed is told.

Doesn't know what has to be true afterwards.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

from ordeal import PATIENCE, Ordeal, children, kill

from atoll.journal import Started

EVERYBODY = ("coordinator", "node", "worker", "host", "program")
MIDDLE = (
    "both",
    "both",
    "both",
    "coordinator",
    "host",
    "program",
)  # where the host is the coordinator's child
AND_THE_PROGRAM = ("both", "host", "program")  # with which the server app's process is gone, too
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
    """Kill so many processes, each when a moment has come; no round ends before its part of them is done.

    Some gates open only when the program is there again: it then waits for what an earlier attempt has asked.
    """
    done: list[str] = []
    for round in range(1, rounds + 1):
        while len(done) < kills * round // rounds:
            moment(ordeal, random)
            if killed := strike(ordeal, random.choice(targets), random):
                done.append(killed)
                if killed in AND_THE_PROGRAM and random.random() < 0.3:
                    until_it_begins_again(ordeal, begun(ordeal))
        ordeal.open_gate(round)
    return done


def interrupt(ordeal: Ordeal, random: random.Random, gates: int, kills: int) -> list[str]:
    """Kill so many processes of anybody's, each while somebody is at a gate that is shut.

    Some gates open only when the program is there again: it then waits for what an earlier attempt has asked.
    """
    done: list[str] = []
    for gate in range(1, gates + 1):
        while len(done) < kills * gate // gates:
            until_somebody_is_at(gate, ordeal)
            spin(random.random() * 0.1)
            attempts = begun(ordeal)
            if killed := strike(ordeal, random.choice(EVERYBODY), random):
                done.append(killed)
                if killed in AND_THE_PROGRAM and random.random() < 0.7:
                    until_it_begins_again(ordeal, attempts)
                    spin(random.random() * 0.2)
        ordeal.open_gate(gate)
    return done


def until_somebody_is_at(gate: int, ordeal: Ordeal) -> None:
    """Wait until a client has come so far."""
    until = time.monotonic() + PATIENCE
    while not any(reached == gate for reached, _ in ordeal.noted().begun):
        assert time.monotonic() < until, f"nobody comes to gate {gate}\n{ordeal.tails()}"
        ordeal.hear(1)


def until_it_begins_again(ordeal: Ordeal, attempts: int) -> None:
    """Wait until the program has begun more often, or for a few seconds: what was killed may have been nobody's."""
    until = time.monotonic() + 5
    while begun(ordeal) <= attempts and time.monotonic() < until:
        ordeal.hear(1, patience=0.05)


def begun(ordeal: Ordeal) -> int:
    """How often the program has begun."""
    return sum(isinstance(event, Started) for event in ordeal.everything())


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
