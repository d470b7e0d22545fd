"""A node put together: the link's orders reach the desk, the desk's calls reach workers, what they make is delivered.

Doesn't know signals or files of settings.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from atoll.service.guard import Objection
from atoll.service.node._alarm import Alarm, Timer
from atoll.service.node._audit import NodeAudit
from atoll.service.node._cache import Cache
from atoll.service.node._delivery import Delivery
from atoll.service.node._desk import Desk
from atoll.service.node._home import Home
from atoll.service.node._lane import Held, Lane
from atoll.service.node._launch import Launcher
from atoll.service.node._lines import LogLines
from atoll.service.node._outbox import Outbox
from atoll.service.node._probe import probe
from atoll.service.node._resources import resources, seeing
from atoll.service.node._room import Room
from atoll.service.node._settings import NodeSettings
from atoll.service.node._states import States
from atoll.service.node._threads import Threads
from atoll.service.node._vetting import Rules, Vetting
from atoll.service.node._weather import Weather
from atoll.service.node._wire import Coordinator
from atoll.service.workshop import Did, Worker
from atoll.values import AtollError, DiskFull, NotFound
from atoll.wire import Bad, Offer, Order, Orders, Probe, Problem, RunSpec, Unreachable


class Node:
    """Everything but the link."""

    def __init__(
        self,
        settings: NodeSettings,
        home: Home,
        coordinator: Coordinator,
        launcher: Launcher,
        warn: Callable[[str], None],
        guard: Rules | None = None,
    ) -> None:
        self._settings, self._home, self._coordinator, self._warn = settings, home, coordinator, warn
        self._launcher, self._vetting = launcher, Vetting(self, guard)
        self.weather, self._alarm = Weather(), Alarm(self._told)
        self._threads = Threads(self._told)
        self._lines = LogLines(coordinator.lines, self.weather)
        self._states, self._cache = States(home.states), Cache(home.objects, settings.cache)
        self._outbox = Outbox(home.outbox, self._threads.do)
        self.resources = resources(settings.resources)
        self.removed: list[str] = []  # runs that were forgotten, as the last orders said
        room = Room(self.resources, slots=settings.slots, workers=settings.workers)
        self._desk = Desk(self, room, idle=settings.idle, turn=settings.turn)
        self._audit = NodeAudit(
            home.folder, name=settings.name, key=settings.coordinator.key, audience=settings.coordinator.audience, warn=warn,
            later=self._alarm.after, elsewhere=self._threads.do,
        )  # fmt: skip
        self._delivery = Delivery(
            coordinator, outbox=self._outbox, states=self._states, store=self._cache.store, lines=self._lines,
            weather=self.weather, delivered=self._desk.delivered, elsewhere=self._threads.do,
            leaves=self._audit.leaves,
        )  # fmt: skip
        self._left = [
            (self._desk.left(f.answer.run, f.answer.key, f.answer.call, f.seq), f)
            for f in self._outbox.kept()
        ]

    # -- for the link ----------------------------------------------------------------------------------------

    def welcome(self) -> None:
        """There is a session: send what an earlier daemon left, and be ready."""
        self._audit.session(self._coordinator.session)
        self._launcher.be_ready()
        left, self._left = self._left, []
        for held, finished in left:
            self._delivery.resume(held, finished)

    def have(self) -> tuple[dict[str, str], int]:
        """What is in hand, and how many more calls could be taken."""
        vetted = self._vetting.have()
        have, free = self._desk.have()
        return vetted | have, max(0, free - len(vetted))

    def follow(self, orders: Orders) -> None:
        """Do what the coordinator wants."""
        if orders.cancel:
            self._vetting.cancel(orders.cancel)
            self._desk.cancel(orders.cancel)
        if orders.drop or orders.remove:
            self._vetting.over(orders.drop, orders.remove)
            self._desk.drop([*orders.drop, *orders.remove])
        for run in (*orders.drop, *orders.remove):
            self._cache.over(run)
            self._audit.over(run)
        if (mark := orders.checkpoint) is not None:
            self._threads.do(lambda: self._audit.keep(mark))
        for run in orders.remove:
            self._outbox.forget(run)
            self._states.forget(run)
        self.removed = list(orders.remove)
        if orders.offers:
            self._vetting.take(orders.offers)
        for each in orders.probes:
            self._threads.do(partial(self._probe, each))

    def checkpoint(self) -> Order | None:
        """A checkpoint of the node's audit log, when it is time for one."""
        return self._audit.checkpoint()

    def close(self, grace: float) -> None:
        """Finish or hand back what is under way, end the workers, let go of everything."""
        self._desk.close()
        self._desk.drain(grace)
        self._launcher.close()
        self._lines.close()
        self.weather.close()
        self._alarm.close()
        self._coordinator.close()
        self._threads.close()
        self._audit.ended()

    # -- for the vetting -------------------------------------------------------------------------------------

    def admit(self, offers: list[Offer]) -> None:
        for offer in offers:
            if offer.wants is not None:
                self._audit.accepted(offer.wants)
            self._states.offered(offer, self._desk.in_hand)
        self._desk.take(offers)

    def turn_away(self, offer: Offer, message: str) -> None:
        self._desk.turn_away(offer, message)

    def elsewhere(self, do: Callable[[], None]) -> None:
        self._threads.do(do)

    def persist(
        self, do: Callable[[], None], give_up: Callable[[str], None], wanted: Callable[[], bool], offer: Offer
    ) -> None:
        self._persist(
            do, lambda message, _: give_up(message), wanted=wanted, run=offer.run, round=offer.round
        )

    def told(self, spec: RunSpec, objection: Objection) -> None:
        self._warn(f"refused run {spec.run} of {spec.federation}: {objection.message}")
        self._audit.refused(spec, objection.rule)

    # -- for the desk ----------------------------------------------------------------------------------------

    def here(self, offer: Offer) -> bool:
        return self._cache.use(offer.run, offer.round, offer.task.objects)

    def fetch(self, held: Held) -> None:
        self._threads.do(lambda: self._fetch(held))

    def start(self, lane: Lane, attempt: int, devices: tuple[str, ...]) -> None:
        self._threads.do(lambda: self._start(lane, attempt, devices))

    def begun(self, offer: Offer) -> None:
        self._audit.begun(offer)

    def state(self, run: str, seq: int) -> Path | None:
        return self._states.path(run, seq)

    def finish(self, held: Held, outcome: Did | Bad) -> None:
        try:
            self._delivery.finish(held, outcome)
        except Exception as error:  # whatever an app returned, its call has to end
            self._told(error)
            bad = Bad(failure="invalid", message=f"the node can't send this reply: {error}"[:2000])
            self._delivery.finish_elsewhere(held, bad)

    def finish_elsewhere(self, held: Held, outcome: Bad) -> None:
        self._delivery.finish_elsewhere(held, outcome)

    def release(self, held: Held) -> None:
        self._cache.release(held.offer.task.objects)

    def discard(self, did: Did) -> None:
        for path in [*did.files.values(), *filter(None, [did.state])]:
            Path(path).unlink(missing_ok=True)

    def end(self, worker: Worker, *, kill: bool) -> None:
        worker.end(kill=kill)

    def log(self, run: str, level: str, message: str, round: int | None = None) -> None:
        self._lines.add(run, level, message, round)

    def after(self, seconds: float, do: Callable[[], None]) -> Timer:
        return self._alarm.after(seconds, do)

    def _told(self, error: BaseException) -> None:
        if not self.weather.closing:
            self._warn("".join(traceback.format_exception(error)))

    # -- on other threads ------------------------------------------------------------------------------------

    def _fetch(self, held: Held) -> None:
        offer = held.offer
        federation = offer.wants.federation if offer.wants is not None else ""

        def pull() -> None:
            self._cache.damaged(offer.task.objects)
            self._coordinator.pull(federation, offer.task.objects, self._cache.store)
            self._cache.sound(offer.task.objects)
            self._desk.fetched(held)

        def give_up(message: str, _: str) -> None:
            self._desk.fail(held, "lost", f"the task's arrays can't be had: {message}")

        self._persist(pull, give_up, wanted=lambda: not held.finished, run=offer.run, round=offer.round)
        self._cache.sweep()

    def _start(self, lane: Lane, attempt: int, devices: tuple[str, ...]) -> None:
        def launch() -> None:
            worker = self._launcher.launch(
                lane.spec,
                lambda worker, told: self._desk.hear(lane, attempt, worker, told),
                variables=seeing(devices),
            )
            self._desk.started(lane, attempt, worker)

        def give_up(message: str, trace: str) -> None:
            self._desk.unfit(lane, attempt, message, trace)

        if not self._persist(
            launch, give_up, wanted=lambda: lane.awaits(attempt), run=lane.spec.run, round=None
        ):
            self._desk.unstarted(lane, attempt)

    def _persist(
        self,
        do: Callable[[], None],
        give_up: Callable[[str, str], None],
        *,
        wanted: Callable[[], bool],
        run: str,
        round: int | None,
    ) -> bool:
        """Do something that needs the coordinator and the disk: wait for both, give up on anything else. Whether it was done."""
        told = False
        for number in self.weather.tries():
            if not wanted():
                break
            try:
                do()
                return True
            except (AtollError, OSError) as error:
                if not _passes(error, number):
                    give_up(str(error), "" if isinstance(error, AtollError) else traceback.format_exc())
                    break
                if not told and not isinstance(error, Unreachable):
                    self._lines.add(run, "warning", f"node {self._settings.name} waits: {error}", round)
                told = True
            except Exception as error:  # an app that can't be prepared fails its calls, and not the node
                give_up(f"{type(error).__name__}: {error}", traceback.format_exc())
                break
        return False

    def _probe(self, wanted: Probe) -> None:
        try:
            refused = self._vetting.preflight(wanted.spec)
        except AtollError as error:  # it can't be known now whether it may be made
            refused = Problem(code=error.code, message=error.message, mend=error.mend)
        if refused is not None:
            self._coordinator.probed(wanted.id, [refused], {}, [])
            return
        variables = seeing(self.resources.devices[: wanted.spec.needs.gpus])
        problems, ready = probe(
            lambda hear: self._launcher.launch(wanted.spec, hear, check=True, variables=variables)
        )
        problems = [*self.resources.problems(wanted.spec), *problems]
        self._coordinator.probed(wanted.id, problems, ready.versions, ready.data)


def _passes(error: Exception, number: int) -> bool:
    """Whether patience mends it."""
    if isinstance(error, Unreachable | DiskFull):
        return True
    if isinstance(error, AtollError):
        status: Any = getattr(error, "status", 0)
        return status in (409, 429, 500, 502, 503, 504) or (error.code == "object.damaged" and number < 3)
    return isinstance(error, OSError) and not isinstance(
        error, NotFound | FileNotFoundError | PermissionError
    )
