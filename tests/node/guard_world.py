"""A federation with its members, the orders that they sign, and a coordinator that hands out whatever roster it likes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent.parent / "identity"))

from village import Village, key

from atoll.identity import Key, Role, RunOrder, Signed, sign
from atoll.service.guard import Guard, Objection, Rosters
from atoll.wire import Needs, Order, RunSpec, settings_of_spec

BUNDLE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
JOINED = 1_500  # when members did
DAY = 24 * 3600
NOW = 100 * DAY


def order_of(signed: Signed) -> Order:
    return Order(kind=signed.kind, body=signed.body, by=signed.by, signature=signed.signature)


class Heart(Village):
    """A federation: ada administers it, sam is a scientist, pia owns the site, otto audits, `n` is the node, `h` a host."""

    def __init__(self) -> None:
        super().__init__()
        self.administrator("ada")
        for name, role in (("sam", Role.SCIENTIST), ("pia", Role.SITE_OWNER), ("otto", Role.AUDITOR)):
            self.welcome(name, roles=(role,))
        self.welcome("n")
        self.welcome("h", roles=(Role.HOST,))

    def spec(self, run: str = "r1", **other: Any) -> RunSpec:
        """A run as its node is told of it; nobody has signed it."""
        known: dict[str, Any] = {
            "run": run,
            "name": "calm-reef",
            "federation": self.federation,
            "bundle": BUNDLE,
            "user": key("sam").id,
            "config": {"rounds": 3, "lr": 0.1},
            "seed": 7,
            "nodes": ["n", "m"],
            "client": "app.client:app",
            "server": "app.server:app",
            "data": "app.data:rows",
            "partition": {"kind": "iid"},
            "needs": Needs(cpus=2),
        }
        return RunSpec(**(known | other))

    def order(self, spec: RunSpec, by: Key | None = None, **other: Any) -> Order:
        """What somebody, sam unless another is given, signs for a run."""
        said: dict[str, Any] = {
            "run": spec.run,
            "federation": spec.federation,
            "bundle": spec.bundle,
            "settings": settings_of_spec(spec),
            "issued": NOW,
            "expires": NOW + DAY,
        }
        return order_of(sign(RunOrder(**(said | other)), by or key("sam")))

    def signed(self, run: str = "r1", by: Key | None = None, **other: Any) -> RunSpec:
        """A run as it should be."""
        spec = self.spec(run, **{"user": (by or key("sam")).id, **other})
        return replace(spec, order=self.order(spec, by))


class Site:
    """A node's guard with its own disk. `serve` is what the coordinator answers when it is asked for a roster."""

    def __init__(self, folder: Path, heart: Heart, *, me: str = "n", kind: Any = "node") -> None:
        self.folder, self.heart, self.me, self.kind = folder, heart, me, kind
        self.asked = 0
        self.now, self.monotonic = float(NOW), 0.0
        self.serve: Callable[[str], bytes] = lambda federation: heart.roster.export()
        self.pins = {heart.federation: heart.root.public.id}
        self.start()

    def start(self) -> None:
        """Begin, or begin again after an end."""

        def fetch(federation: str) -> bytes:
            self.asked += 1
            return self.serve(federation)

        self.rosters = Rosters(self.folder / "rosters", self.pins, fetch, clock=lambda: self.monotonic)
        self.guard = Guard(
            self.folder, self.rosters, me=key(self.me).id, kind=self.kind, now=lambda: self.now
        )

    def check(self, spec: RunSpec, run: str | None = None, *, preflight: bool = False) -> None:
        self.guard.check(spec, run=spec.run if run is None else run, preflight=preflight)

    def rule(self, spec: RunSpec, run: str | None = None, *, preflight: bool = False) -> str:
        """The rule that forbids it."""
        with pytest.raises(Objection) as caught:
            self.check(spec, run, preflight=preflight)
        assert caught.value.code == "run.refused"
        assert caught.value.message.startswith(f"rule {caught.value.rule}: ")
        assert caught.value.mend
        assert not self.guard.settled(spec.run, spec)
        return caught.value.rule

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds


def without(data: bytes, what: str, index: int) -> bytes:
    """A roster that lacks one thing."""
    rolls = msgspec.json.decode(data)
    del rolls[what][index]
    return msgspec.json.encode(rolls)


def changed(data: bytes, old: str, new: str) -> bytes:
    """A roster in which a text is another one, everywhere."""
    assert old.encode() in data
    return data.replace(old.encode(), new.encode())
