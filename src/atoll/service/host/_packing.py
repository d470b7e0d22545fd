"""Packing: what a server app sends becomes manifests and objects; each model is hashed and pushed once.

Doesn't know what it is sent for. Arrays are told apart by identity first: they are immutable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from atoll.app import Task
from atoll.values import Arrays, Payload
from atoll.wire import Manifest, TaskSpec, call_digest, split

Push: TypeAlias = Callable[[Mapping[str, Any]], None]  # objects by digest; on return they are there


@dataclass(slots=True)
class _Pack:
    payload: Payload  # held, so that no other arrays come to have the same identity
    manifest: Manifest
    blobs: Mapping[str, Any]


@dataclass(slots=True)
class _Asked:
    task: Task
    spec: TaskSpec
    digest: str
    pack: _Pack


@dataclass(slots=True)
class Packing:
    """Remembers what the current round packed."""

    push: Push
    _packs: dict[tuple[tuple[str, int], ...], _Pack] = field(default_factory=dict)
    _tasks: dict[int, _Asked] = field(default_factory=dict)

    def digest(self, task: Task) -> str:
        """The name of a task's content: the same for the same content, whoever asks."""
        return self._asked(task).digest

    def ready(self, task: Task) -> tuple[TaskSpec, str]:
        """A task as it travels, and its digest; its objects are with the coordinator."""
        asked = self._asked(task)
        self._send(asked.pack)
        return asked.spec, asked.digest

    def keep(self, payload: Payload) -> Manifest:
        """The manifest of a payload, whose objects are with the coordinator."""
        pack = self._pack(payload)
        self._send(pack)
        return pack.manifest

    def adopt(self, payload: Payload, manifest: Manifest) -> None:
        """A payload that came back from where it was kept: it stands for the one that was packed, which is let go."""
        self._packs = {k: p for k, p in self._packs.items() if p.manifest != manifest}
        self._packs[_identity(payload)] = _Pack(payload, manifest, {})

    def send_again(self) -> None:
        """What the current round packed is with the coordinator, whatever became of it there."""
        for pack in [*self._packs.values(), *(asked.pack for asked in self._tasks.values())]:
            if pack.manifest.objects:
                self.push(split(pack.payload)[1])

    def forget(self, *but: Arrays) -> None:
        """A round is over: hold on to nothing but the packs of these arrays."""
        kept = {id(arrays) for arrays in but}
        self._packs = {k: p for k, p in self._packs.items() if all(i in kept for _, i in k)}
        self._tasks.clear()

    def _asked(self, task: Task) -> _Asked:
        known = self._tasks.get(id(task))
        if known is None:
            pack = self._pack(task.payload)
            spec = TaskSpec(
                action=task.action, payload=pack.manifest, config=dict(task.config), alike=task.alike
            )
            known = self._tasks[id(task)] = _Asked(task, spec, call_digest(spec), pack)
        return known

    def _pack(self, payload: Payload) -> _Pack:
        if not all(isinstance(v, Arrays) for v in payload.values()):
            return _Pack(payload, *split(payload))
        identity = _identity(payload)
        known = self._packs.get(identity)
        if known is None:
            known = self._packs[identity] = _Pack(payload, *split(payload))
        return known

    def _send(self, pack: _Pack) -> None:
        if pack.blobs:
            self.push(pack.blobs)
            pack.blobs = {}


def _identity(payload: Payload) -> tuple[tuple[str, int], ...]:
    return tuple((name, id(arrays)) for name, arrays in payload.items())
