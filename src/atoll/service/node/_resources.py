"""What a node's owner gives to tasks, and what one task needs of it.

Doesn't know which tasks there are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import structs

from atoll.service.node import _machine
from atoll.values import ConfigError
from atoll.wire import Needs, Problem, RunSpec

VISIBLE = "CUDA_VISIBLE_DEVICES"  # https://docs.nvidia.com/cuda/cuda-c-programming-guide, "CUDA environment variables"
_NOBODY = "-1"  # as its value: no device is seen


@dataclass(frozen=True, slots=True)
class Resources:
    """All that tasks may use at a time. `devices` are GPUs, as CUDA_VISIBLE_DEVICES names them; `memory` is in bytes."""

    cpus: float
    devices: tuple[str, ...] = ()
    memory: float = math.inf

    def document(self) -> dict[str, float]:
        """As the coordinator lists it; what nobody knows is left out."""
        found = {"cpus": self.cpus, "gpus": float(len(self.devices)), "memory": self.memory}
        return {name: number for name, number in found.items() if math.isfinite(number)}

    def needs(self, spec: RunSpec) -> Needs:
        """What one task of a run takes here: a CPU for each thread, as far as there are so many, unless the app says how many."""
        implied = min(float(spec.threads), self.cpus)
        return structs.replace(spec.needs, cpus=spec.needs.cpus or implied)

    def lacks(self, spec: RunSpec) -> str:
        """What a run's task needs and never gets here, in words; empty when it can be done."""
        needs = self.needs(spec)
        pairs = (
            (needs.cpus, self.cpus, f"{needs.cpus:g} CPUs", f"{self.cpus:g}"),
            (needs.gpus, len(self.devices), _gpus(needs.gpus), f"{len(self.devices)}"),
            (needs.memory, self.memory, f"{_size(needs.memory)} of memory", _size(self.memory)),
        )
        short = [f"{wanted} (this node gives {given})" for want, have, wanted, given in pairs if want > have]
        return f"one task needs {' and '.join(short)}" if short else ""

    def problems(self, spec: RunSpec) -> list[Problem]:
        """The same as a preflight tells it."""
        lack = self.lacks(spec)
        mend = "ask for less in [tool.atoll.resources], leave the node out, or have its owner give more (--cpus, --gpus, --memory)"
        return [Problem(code="node.too-small", message=lack, mend=mend)] if lack else []


def resources(given: Mapping[str, float], surroundings: Mapping[str, str] = os.environ) -> Resources:
    """What the owner gave; what was not said is found out. Raises `ConfigError` (`node.no-gpus`)."""
    return Resources(
        cpus=given.get("cpus", _machine.cpus()), memory=given.get("memory", _machine.memory()),
        devices=_devices(given.get("gpus"), surroundings.get(VISIBLE)),
    )  # fmt: skip


def seeing(devices: tuple[str, ...]) -> dict[str, str]:
    """The environment variables of a process that sees these GPUs and no other."""
    return {VISIBLE: ",".join(devices) or _NOBODY}


def _devices(number: float | None, visible: str | None) -> tuple[str, ...]:
    """The first so many of those that the daemon itself sees; all of them when nothing was said."""
    seen = None if visible is None else _seen(visible)
    if number is None:
        return seen if seen is not None else tuple(map(str, range(_machine.gpus())))
    if seen is not None and number > len(seen):
        message = f"--gpus {number:g}, but {VISIBLE}={visible} shows {len(seen)}"
        raise ConfigError("node.no-gpus", message, f"give fewer, or change {VISIBLE}")
    return (seen or tuple(map(str, range(int(number)))))[: int(number)]


def _seen(visible: str) -> tuple[str, ...]:
    """CUDA reads as far as the first that is no device."""
    names: list[str] = []
    for name in (each.strip() for each in visible.split(",")):
        if not name or name.startswith("-"):
            break
        names.append(name)
    return tuple(names)


def _gpus(number: int) -> str:
    return f"{number} GPU{'s' if number != 1 else ''}"


def _size(nbytes: float) -> str:
    return f"{nbytes / 1e9:.3g} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.3g} MB"
