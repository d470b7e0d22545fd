"""What a node writes down of itself: which bundles it ran for whom, and what left it, in the audit log of its home.

Doesn't know the wire. An entry is with the system before what it tells is done, so that a killed daemon loses none; the disk is waited for
once a second, and for every checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import msgspec

from atoll.identity import AuditLog, Checkpoint, IdentityError, Key, Signed, check
from atoll.values import AtollError, DiskFull
from atoll.wire import Answer, Good, Offer, Order, RunSpec

ROTATIONS, TOLD = "rotations.json", 50  # a key for another, each signed by both; so many of them are told
FILE, OWN = "audit.jsonl", "audit.pem"  # the log, and a key for it while the node has none
OFTEN, SELDOM = 60.0, 3600.0  # seconds between two checkpoints: while things happen, and while nothing does
DURABLE = 1.0  # seconds after which what was written is made durable
_FIRST = 64 << 10  # bytes of the first line
_SENT = 10_000


@final
class NodeAudit:
    """The node's log, for any thread. `key` is the file of its key; `audience` the id of the coordinator's, when it is known."""

    def __init__(
        self, home: Path, *, name: str, key: str = "", audience: str = "", warn: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], object], elsewhere: Callable[[Callable[[], None]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._key = _own_key(home, key)
        self._name, self._audience, self._warn = name, audience, warn
        self._later, self._elsewhere, self._clock = later, elsewhere, clock
        path = home / FILE
        self.of = _of(path) or self._key.id
        self._log, self._lock = AuditLog(path, of=self.of), threading.Lock()
        self._runs: dict[str, None] = {}  # whose bundle was accepted since the start
        self._sent: OrderedDict[tuple[str, str, str], None] = (
            OrderedDict()
        )  # answers that were told, and may be sent again
        self._unwritable = False
        self._syncing, self._news = False, 1
        self._marked, self._said = float("-inf"), 0  # when the last checkpoint was made, after how much
        self._theirs: Checkpoint | None = None
        begun: dict[str, Any] = {"of": self.of, "key": self._key.public.text, "signer": self._key.id}
        if self._key.id != self.of:
            begun["rotations"] = _rotations(home)
        self._log.append("log-opened", self._key.id, begun)

    # -- saying ------------------------------------------------------------------------------------------------

    def session(self, number: int) -> None:
        """The coordinator knows the node."""
        self._try("coordinator-session", self._audience or "local", {"session": number})

    def accepted(self, spec: RunSpec) -> None:
        """A run's bundle is to be run here; told once."""
        with self._lock:
            new = spec.run not in self._runs
            self._runs[spec.run] = None
        if new:
            self._try("bundle-accepted", spec.user or "local", _about(spec))

    def refused(self, spec: RunSpec, rule: str) -> None:
        """A rule forbids a run here."""
        self._try("bundle-refused", spec.user or "local", {**_about(spec), "rule": rule})

    def begun(self, offer: Offer) -> None:
        """A task is handed to the bundle's code."""
        what = {
            "run": offer.run,
            "call": offer.key,
            "action": offer.action,
            "round": offer.round,
            "task": offer.digest,
        }
        self._try("task-begun", self._key.id, what)

    def leaves(self, answer: Answer, federation: str) -> None:
        """An answer is about to be sent: digests of all that leaves. Told once. Raises `OSError`: what can't be written
        down doesn't leave."""
        sent = answer.run, answer.call, answer.digest
        with self._lock:
            if sent in self._sent:
                return
        what: dict[str, Any] = {
            "run": answer.run,
            "federation": federation,
            "call": answer.key,
            "digest": answer.digest,
        }
        if isinstance(answer.outcome, Good):
            what["objects"] = sorted(answer.outcome.payload.objects)
        else:
            what["failure"] = answer.outcome.failure
        self._add("reply-sent", self._key.id, what)
        with self._lock:
            self._sent[sent] = None
            if len(self._sent) > _SENT:
                self._sent.popitem(last=False)

    def over(self, run: str) -> None:
        """A run has ended."""
        with self._lock:
            self._runs.pop(run, None)

    def ended(self) -> None:
        """The daemon ends."""
        with contextlib.suppress(AtollError, OSError):
            self._log.append("node-ended", self._key.id)
            self._log.close()

    # -- checkpoints -------------------------------------------------------------------------------------------

    def checkpoint(self) -> Order | None:
        """A checkpoint for the coordinator to keep, when it is time for one."""
        since = self._clock() - self._marked
        if since < OFTEN or (self._news == self._said and since < SELDOM):
            return None
        self._marked, self._said = self._clock(), self._news
        try:
            signed = self._log.checkpoint(self._key)
        except (AtollError, OSError) as error:
            self._warn(f"the audit log can't be written: {error}")
            return None
        return Order(kind=signed.kind, body=signed.body, by=signed.by, signature=signed.signature)

    def keep(self, told: Order) -> None:
        """Keep a checkpoint of the coordinator's log; say so when it contradicts the one before."""
        try:
            signed = msgspec.convert(msgspec.to_builtins(told), Signed)
            found = check(signed, Checkpoint)
            if self._audience and {signed.signer.id, found.of} != {self._audience}:
                raise IdentityError(
                    "audit.forged-checkpoint", "another key than the coordinator's has signed it", ""
                )
            self._log.keep(signed)
        except (AtollError, OSError, msgspec.ValidationError) as error:
            self._warn(f"a checkpoint of the coordinator's audit log was not kept: {error}")
            return
        before, self._theirs = self._theirs, found
        if before is not None and before.of == found.of and _contradict(before, found):
            self._warn(
                f"the coordinator's audit log was rewritten: it had {before.n:,} entries, and now has {found.n:,}; "
                "atoll audit verify tells more"
            )

    # -- inside ------------------------------------------------------------------------------------------------

    def _try(self, kind: str, who: str, what: dict[str, Any]) -> None:
        """As `_add`, for what leaves nothing: a log that can't be written is told once."""
        try:
            self._add(kind, who, what)
            self._unwritable = False
        except (OSError, DiskFull) as error:
            if not self._unwritable:
                self._warn(f"the audit log can't be written: no reply leaves until it can be: {error}")
            self._unwritable = True

    def _add(self, kind: str, who: str, what: dict[str, Any]) -> None:
        try:
            self._log.append(kind, who, what)
        except IdentityError as error:  # like a full disk: what can't be written down waits
            raise OSError(error.message) from error
        with self._lock:
            self._news += 1
            later, self._syncing = not self._syncing, True
        if later:
            self._later(DURABLE, lambda: self._elsewhere(self._sync))

    def _sync(self) -> None:
        with self._lock:
            self._syncing = False
        with contextlib.suppress(AtollError):  # told by whoever writes next
            self._log.sync()


def _about(spec: RunSpec) -> dict[str, Any]:
    return {"run": spec.run, "federation": spec.federation, "bundle": spec.bundle}


def _contradict(before: Checkpoint, after: Checkpoint) -> bool:
    return after.n < before.n or (after.n == before.n and after.head != before.head)


def _own_key(home: Path, path: str) -> Key:
    """The node's key; without one, a key for the log alone."""
    if path:
        return Key.load(path)
    own = home / OWN
    if not own.exists():
        Key.make().save(own)
    return Key.load(own)


def _rotations(home: Path) -> list[Any]:
    """The newest of the keys' changes: by them whoever reads the log knows the new key's signature for the node's."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return list(json.loads((home / ROTATIONS).read_bytes()))[-TOLD:]
    return []


def _of(path: Path) -> str:
    """Whose log it is: what it says of itself in its first entry. A node that has a new key goes on with its log."""
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        first = json.loads(file.readline(_FIRST))
        return str(first["what"]["of"]) if first.get("kind") == "log-opened" else ""
    return ""
