"""What a fleet is asked and what one node answers: Task, Update, Reply, Failure.

Doesn't know how either travels.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from atoll.values import Arrays, AtollError, ConfigError, Metrics, Payload, Released, checked, odd_number

_NO_METRICS = Metrics()
TRAIN = "train"  # the one action whose replies must hold arrays, when its task does
MODEL = "model"  # the name of a payload's arrays when nobody gave one


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do at a node: `train`, `evaluate`, or a query by its name.

    The payload's names become the handler's parameters; `config` changes `ctx.config` for this task alone. A reply's
    arrays must be like the task's arrays of the same name (names, shapes, dtypes) unless `alike` is False, and finite.
    """

    action: str
    payload: Payload = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    alike: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "payload", settled(checked(self.payload)))
        if self.config:
            config = checked({"config": self.config})["config"]
            if odd := odd_number(config, "config"):
                mend = "send it in the payload, as an array or a number: config is written as JSON, which has no word for it"
                raise ConfigError("config.odd-number", f"a task's {odd}", mend)
            object.__setattr__(self, "config", config)

    @property
    def nbytes(self) -> int:
        """Bytes of all its arrays."""
        return nbytes(self.payload)

    def digest(self) -> str:
        """`sha256:<hex>` of its content: the same task asked again has the same digest."""
        described = [[n, v.digest if isinstance(v, Arrays) else v] for n, v in self.payload.items()]
        content = msgspec.msgpack.encode([self.action, described, dict(self.config), self.alike])
        return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Update:
    """What a client function returns: arrays, how much they weigh, and metrics.

    `arrays` is one `Arrays` (called "model" from here on), a plain mapping of numpy arrays, or a mapping from payload
    names to `Arrays` and plain data. `weight` (unit of your choice: samples, usually) is finite and not negative.
    Raises `AtollError` (`update.bad-weight`, `payload.bad-value`, `metrics.bad-value`).
    """

    __slots__ = ("metrics", "payload", "weight")

    def __init__(
        self,
        arrays: Arrays | Mapping[str, Any] | None = None,
        *,
        weight: float = 1.0,
        metrics: Mapping[str, object] | None = None,
    ) -> None:
        self.payload: Payload = {} if arrays is None else _payload(arrays)
        self.weight = weight if type(weight) is float and 0 <= weight < math.inf else _weight(weight)
        self.metrics = (
            _NO_METRICS if not metrics else metrics if isinstance(metrics, Metrics) else Metrics(metrics)
        )

    def __repr__(self) -> str:
        return f"Update({self.payload}, weight={self.weight}, metrics={self.metrics.plain()})"


def nbytes(payload: Payload) -> int:
    """Bytes of a payload's arrays."""
    return sum(v.nbytes for v in payload.values() if isinstance(v, Arrays))


def settled(payload: Payload) -> Payload:
    """A payload whose arrays nobody can change any more."""
    for name, value in payload.items():
        if isinstance(value, Arrays) and (still := value.settled()) is not value:
            payload = {**payload, name: still}
    return payload


def _payload(arrays: Arrays | Mapping[str, Any]) -> dict[str, Any]:
    if type(arrays) is Arrays:
        return {MODEL: arrays}
    if not isinstance(arrays, Mapping):
        raise AtollError(
            "update.bad-arrays",
            f"Update() takes Arrays or a mapping of them, not a {type(arrays).__name__}",
            "return atoll.Update(get_arrays(model), weight=len(data))",
        )
    if arrays and all(hasattr(v, "__array__") and not isinstance(v, Arrays) for v in arrays.values()):
        return {MODEL: Arrays(arrays)}
    return checked(arrays)


def _weight(weight: Any) -> float:
    try:
        value = float(weight)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value < math.inf:
        raise AtollError(
            "update.bad-weight",
            f"a weight is finite and not negative, not {weight!r:.80}",
            "weight=len(data)",
        )
    return value


class Reply:
    """A node's accepted answer: a handle whose arrays may still lie on disk or in another process's memory.

    `index` is its place in the cohort. A reply that a fold took is let go when the next one is asked for;
    `keep()` prevents that. `staleness` (in a stream) is how many newer tasks were sent since its own.
    `refusal` is why it doesn't count, when the program has refused it.
    """

    __slots__ = (
        "_folded",
        "_kept",
        "_load",
        "_payload",
        "action",
        "index",
        "metrics",
        "node",
        "refusal",
        "seconds",
        "staleness",
        "weight",
    )

    def __init__(
        self,
        index: int,
        node: str,
        action: str,
        *,
        weight: float,
        metrics: Metrics,
        seconds: float = 0.0,
        staleness: int = 0,
        payload: Payload | None = None,
        load: Callable[[], Payload] | None = None,
    ) -> None:
        self.index, self.node, self.action, self.weight, self.metrics = index, node, action, weight, metrics
        self.seconds, self.staleness = seconds, staleness
        self._payload, self._load = payload, load
        self._folded = self._kept = False
        self.refusal = ""

    @property
    def arrays(self) -> Arrays:
        """The arrays called "model"."""
        arrays = self[MODEL]
        assert isinstance(arrays, Arrays)
        return arrays

    @property
    def payload(self) -> Payload:
        """All that was returned, by name. Raises `Released` after a fold took it and the next reply was asked for."""
        if self._payload is None:
            if self._load is None:
                raise Released(
                    "reply.released",
                    f"the arrays of {self.node}'s reply were let go after they were folded",
                    "read them before asking for the next reply, or call reply.keep() first",
                )
            self._payload = self._load()
        return self._payload

    def __getitem__(self, name: str) -> Any:
        try:
            return self.payload[name]
        except KeyError:
            returned = ", ".join(self.payload) or "nothing"
            raise AtollError(
                "reply.no-payload", f"{self.node} returned no `{name}`, but {returned}"
            ) from None

    def __repr__(self) -> str:
        return f"Reply({self.index}, {self.node!r}, {self.action!r}, weight={self.weight:g}, metrics={self.metrics.plain()})"

    def keep(self) -> Reply:
        """Hold on to the arrays even after a fold took them."""
        self._kept = True
        return self

    def refuse(self, why: str) -> None:
        """It can't be the answer: it doesn't count, and is among the failures, `invalid`, once the next reply is asked for.

        For whoever writes a method, and finds what only the method can know: `if loss < 0: reply.refuse(...); continue`.
        One node's nonsense then costs its own reply, and not the run.
        """
        self.refusal = why

    def put_back(self, most: int) -> None:
        """Arrays of over `most` bytes that can be read again are read again when they are asked for."""
        if self._load is not None and self._payload is not None and nbytes(self._payload) > most:
            self._payload = None

    def folded(self) -> None:
        """A fold has taken what it needs."""
        self._folded = True

    def let_go(self) -> None:
        """Free the arrays if a fold took them and nobody asked to keep them."""
        if self._folded and not self._kept:
            self._payload = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A node's answer that does not count, and why.

    `kind`: raised (the function did, see `traceback`), deadline, invalid (NaN, another shape or dtype, missing names),
    lost (its process died), refused, late.
    """

    index: int
    node: str
    kind: str
    message: str
    traceback: str = ""
