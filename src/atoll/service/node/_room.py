"""How much of what a node's owner gave is free: a call takes a slot and CPUs while it runs, a worker GPUs and memory while it lives.

Doesn't know whose turn it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from atoll.service.node._resources import Resources
from atoll.wire import Needs

_BIT = 1e-9  # of a CPU: what adding up tenths leaves


@dataclass(slots=True)
class Left:
    """What is left of each; below 0 where something is kept free for somebody. `coming_`: with workers that are ending."""

    slots: int
    cpus: float
    workers: int
    gpus: int
    memory: float
    coming_gpus: int = 0
    coming_memory: float = 0

    def holds_call(self, needs: Needs) -> bool:
        """Whether a call could begin."""
        return self.slots > 0 and needs.cpus <= self.cpus + _BIT

    def take_call(self, needs: Needs) -> None:
        self.slots -= 1
        self.cpus -= needs.cpus

    def holds_worker(self, needs: Needs) -> bool:
        """Whether a worker could be started."""
        return self.workers > 0 and needs.gpus <= max(0, self.gpus) and needs.memory <= max(0, self.memory)

    def take_worker(self, needs: Needs) -> None:
        self.workers -= 1
        self.gpus -= needs.gpus
        self.memory -= needs.memory


@dataclass(slots=True, eq=False)
class Claim:
    """What a worker holds until its process has ended, or is known not to be."""

    devices: tuple[str, ...]
    memory: int
    leaving: bool = False


@dataclass(slots=True)
class Lacking:
    """What a worker lacks to be started, as workers are asked to go one by one."""

    workers: int
    gpus: int
    memory: float

    def __bool__(self) -> bool:
        return self.workers > 0 or self.gpus > 0 or self.memory > 0

    def less(self, claim: Claim) -> bool:
        """One that goes leaves what it holds; whether that is of use."""
        if not (self.workers > 0 or (self.gpus > 0 and claim.devices) or (self.memory > 0 and claim.memory)):
            return False
        self.workers -= 1
        self.gpus -= len(claim.devices)
        self.memory -= claim.memory
        return True


class Room:
    """All that there is, and who holds what."""

    def __init__(self, given: Resources, *, slots: int, workers: int) -> None:
        self.given, self.slots, self._workers = given, slots, max(workers, slots)
        self._running: dict[object, Needs] = {}
        self._claims: list[Claim] = []

    def left(self) -> Left:
        """What nobody holds."""
        staying = [c for c in self._claims if not c.leaving]
        leaving = [c for c in self._claims if c.leaving]
        gpus, memory = _held(staying)
        coming_gpus, coming_memory = _held(leaving)
        return Left(
            slots=self.slots - len(self._running), cpus=self.given.cpus - sum(n.cpus for n in self._running.values()),
            workers=self._workers - len(staying), gpus=len(self.given.devices) - gpus - coming_gpus,
            memory=self.given.memory - memory - coming_memory, coming_gpus=coming_gpus, coming_memory=coming_memory,
        )  # fmt: skip

    def begin(self, who: object, needs: Needs) -> None:
        """A call runs."""
        self._running[who] = needs

    def end(self, who: object) -> None:
        """It doesn't any more."""
        self._running.pop(who, None)

    def claim(self, needs: Needs) -> Claim:
        """What a new worker gets; there is room for it."""
        taken = {device for claim in self._claims for device in claim.devices}
        free = [device for device in self.given.devices if device not in taken]
        claim = Claim(tuple(free[: needs.gpus]), needs.memory)
        self._claims.append(claim)
        return claim

    def release(self, claim: Claim) -> None:
        """The worker's process is gone."""
        self._claims.remove(claim)


def lacking(left: Left, needs: Needs) -> Lacking:
    """What is not to be had, though workers that are ending leave what they hold."""
    gpus = needs.gpus - left.gpus - left.coming_gpus if needs.gpus else 0
    memory = needs.memory - left.memory - left.coming_memory if needs.memory else 0
    return Lacking(1 - left.workers, gpus, memory)


def _held(claims: list[Claim]) -> tuple[int, int]:
    return sum(len(c.devices) for c in claims), sum(c.memory for c in claims)
