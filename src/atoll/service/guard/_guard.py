"""The guard of a node or a host: a run begins here when a user of the federation signed it, and as they did.

Doesn't know what an app does, and believes nothing that the coordinator says about itself: only what is signed by keys that
lead to the root that this machine pins. Every refusal names its rule.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, final

from atoll.service.guard._objections import Objection
from atoll.service.guard._orders import Orders, Taken, in_time
from atoll.service.guard._rosters import Rosters
from atoll.wire import CHECK, Order, RunSpec, settings_of_spec

if TYPE_CHECKING:
    from atoll.identity import Kind, Member, Roster, RunOrder, Signed

PASSED = 1000  # runs that need no second look


@final
class Guard:
    """`me` is the id of this machine's key, and it is a `kind` on its rosters; `folder` is its home."""

    def __init__(
        self, folder: Path, rosters: Rosters, *, me: str, kind: Kind, now: Callable[[], float] = time.time
    ) -> None:
        self._rosters, self._me, self._kind, self._now = rosters, me, kind, now
        self._orders = Orders(folder / "orders", now())
        self._passed: OrderedDict[str, RunSpec] = OrderedDict()
        self._lock = threading.Lock()

    def settled(self, run: str, spec: RunSpec) -> bool:
        """Whether exactly this run was looked at, since the roster was: it needs no other thread, nor the network."""
        return self._rosters.fresh(spec.federation) and self._passed.get(run) == spec

    def check(self, spec: RunSpec, *, run: str = "", preflight: bool = False) -> None:
        """Do nothing when this may be done here; it may take its time. `run`: for which the work was offered.

        Raises an `Objection`, whose `rule` is one of those in docs/design/security.md; and `AtollError` when the
        coordinator doesn't answer, which patience mends.
        """
        with self._lock:
            if run and self.settled(run, spec):
                return
            signed, said = _order_of(spec)
            _compare(said, spec, run or spec.run, preflight=preflight)
            signer = self._signer(spec.federation, signed)
            roster = self._rosters.held(spec.federation)
            assert roster is not None
            _is_user(spec, signer)
            self._addressed(roster, said, spec)
            if preflight:
                in_time(said.issued, said.expires, self._now())
                return
            taken = Taken(order=signed.id, first=signer.first, expires=said.expires)
            self._orders.take(spec.run, taken, issued=said.issued, now=self._now())
            self._pass(spec)

    def over(self, run: str) -> None:
        """A run is over; if it goes on one day, it is looked at again."""
        self._passed.pop(run, None)

    def removed(self, run: str) -> None:
        """A run was removed: its order is no good any more."""
        self._passed.pop(run, None)
        self._orders.remove(run)

    # -- inside ----------------------------------------------------------------------------------------------

    def _signer(self, federation: str, signed: Signed) -> Member:
        """Who signed it, as somebody that may run apps here. Raises an `Objection` (`signer`, `role`, `federation`, `roster`)."""
        self._rosters.pinned(federation)
        fresh = self._rosters.fresh(federation)
        roster = self._rosters.held(federation) if fresh else None
        found = _found(roster, signed) if roster is not None else None
        if found is None or not _may_run(found):  # they may have come, or got the role, a moment ago
            self._passed.clear()
            roster = self._rosters.refresh(federation)
            found = _found(roster, signed) or self._renamed(roster, signed)
        if found is None:
            gone = "was revoked" if roster is not None and roster.revoked(signed.signer.id) else "is nobody"
            raise Objection(
                "signer",
                f"the key that signed the order, {signed.signer.id}, {gone} on the roster of {federation}",
                "let a member of the federation with the role scientist begin the run: atoll whoami",
            )
        if not _may_run(found):
            has = ", ".join(sorted(found.roles))
            raise Objection(
                "role",
                f"{found.name}, who signed the order, has the role {has} in {federation}",
                "an administrator can give the role scientist: atoll user grant",
            )
        return found

    def _renamed(self, roster: Roster, signed: Signed) -> Member | None:
        """Whoever signed a run that is under way and has taken a new key since."""
        from atoll.identity import RunOrder, check

        taken = self._orders.taken(check(signed, RunOrder).run)
        if taken is None or taken.order != signed.id:
            return None
        return next((m for m in roster.members() if m.first == taken.first and m.approved), None)

    def _addressed(self, roster: Roster, said: RunOrder, spec: RunSpec) -> None:
        """Whether this machine is on the roster, and meant. Raises an `Objection` (`member`, `nodes`)."""
        own = roster.who(self._me)
        if own is None or own.kind != self._kind:
            raise Objection(
                "member",
                f"this machine's key {self._me} is that of no {self._kind} on the roster of {spec.federation}",
                "ask an administrator of the federation for an invitation",
            )
        others = [name for name in spec.nodes if name not in said.nodes] if said.nodes else []
        if said.nodes and own.name not in said.nodes and self._kind == "node":
            raise Objection("nodes", f"the order is for other nodes than {own.name}", "sign it for this one")
        if others:
            raise Objection("nodes", f"the order doesn't name {others[0]!r:.140}", "sign it for all nodes")

    def _pass(self, spec: RunSpec) -> None:
        self._passed[spec.run] = spec
        self._passed.move_to_end(spec.run)
        while len(self._passed) > PASSED:
            self._passed.popitem(last=False)


def _order_of(spec: RunSpec) -> tuple[Signed, RunOrder]:
    """The order of a run, if it is one and its signature holds. Raises an `Objection` (`order`, `signature`)."""
    from atoll.identity import IdentityError, RunOrder, check

    if spec.order is None:
        raise Objection(
            "order", f"nobody has signed run {spec.run}", "log in, and begin it again: atoll login"
        )
    signed = _signed(spec.order)
    try:
        return signed, check(signed, RunOrder)
    except IdentityError as error:
        rule = "signature" if error.code in ("identity.bad-signature", "identity.bad-key") else "order"
        raise Objection(rule, error.message, "begin the run again") from error


def _signed(order: Order) -> Signed:
    from atoll.identity import Signed

    return Signed(order.kind, order.body, order.by, order.signature)


def _compare(said: RunOrder, spec: RunSpec, run: str, *, preflight: bool) -> None:
    """Whether it is this that was ordered. Raises an `Objection` (`run`, `purpose`, `federation`, `bundle`, `settings`)."""
    again = "begin a new run; if it is refused as well, tell the coordinator's administrator"
    if not said.run == spec.run == run:
        raise Objection("run", f"the order is for run {said.run}, and came for {run!r:.80}", again)
    if said.run.startswith(CHECK) is not preflight:
        what = "a run, and came for a preflight" if preflight else "a preflight, and came for a run"
        raise Objection("purpose", f"the order is for {what}", again)
    if said.federation != spec.federation:
        message = f"the order is for federation {said.federation}, and came for {spec.federation!r:.140}"
        raise Objection("federation", message, again)
    if said.bundle != spec.bundle:
        message = f"the order is for the app {said.bundle:.19}..., and {spec.bundle!r:.19}... came"
        raise Objection("bundle", message, again)
    if said.settings != _settings(spec):
        what = "the config, the seed, the app's functions, its data or what it needs"
        raise Objection("settings", f"{what} are not those that were signed", again)


def _is_user(spec: RunSpec, signer: Member) -> None:
    """Whether the run is told to be its signer's, whose name this machine's log then keeps. Raises an `Objection` (`user`)."""
    if spec.user not in (signer.id, signer.first):
        message = f"{signer.name} has signed the order, and it came as that of {spec.user or 'nobody'!r:.80}"
        raise Objection("user", message, "tell the coordinator's administrator")


def _settings(spec: RunSpec) -> str:
    from atoll.identity import IdentityError

    try:
        return settings_of_spec(spec)
    except IdentityError as error:  # too deep, say: it can't be what was signed
        return error.code


def _found(roster: Roster, signed: Signed) -> Member | None:
    return roster.who(signed.signer.id)


def _may_run(member: Member) -> bool:
    from atoll.identity import Permission, may

    return may(Permission.RUN_SUBMIT, member.roles, own=True)
