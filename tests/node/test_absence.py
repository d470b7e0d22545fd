"""A coordinator that is away, a daemon that is killed, a disk that is full: nothing is lost, nothing is done twice."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from node_world import Daemon, World, offer, refused

from atoll.service.node._home import Home
from atoll.service.node._outbox import Outbox
from atoll.service.node._weather import Weather
from atoll.values import AtollError
from atoll.wire import Bad, Good

Start = Callable[..., Daemon]


def test_an_answer_waits_for_the_coordinator(world: World, daemon: Start):
    go = threading.Event()
    node = daemon(lambda o, s, w: o and go.wait(10) and None)
    world.ask(offer())
    world.until(lambda: world.polls[-1][0])
    world.leave()
    go.set()
    while not list(node.home.outbox.rglob("*.answer")):
        time.sleep(0.01)
    world.back()
    world.answers()
    assert any("can't be reached" in text for text in node.warned)


def test_a_coordinator_that_is_back_is_heard_at_once_also_when_it_has_nothing_to_say(
    world: World, daemon: Start
):
    world.beat = 60.0
    node = daemon(lambda o, s, w: None)
    world.until(lambda: len(world.polls) > 1)
    world.leave()
    while not any("can't be reached" in text for text in node.warned):
        time.sleep(0.01)
    before = len(world.polls)
    world.back()
    world.until(lambda: len(world.polls) == before + 2)  # the first was answered, and the second is held
    assert "the coordinator is back" in node.warned


def test_a_daemon_that_was_killed_sends_the_answer_that_it_kept(world: World, daemon: Start):
    done = []
    world.refuse = lambda what: what == "reply" and world.leave()
    first = daemon(lambda o, s, w: o and done.append(o.key))
    world.ask(offer())
    world.until(lambda: world.away)
    while not list(first.home.outbox.rglob("*.answer")):
        time.sleep(0.01)
    first.crash()
    world.refuse = lambda what: None
    world.back()
    again = daemon(lambda o, s, w: o and done.append(o.key))
    assert isinstance(world.answers()[0], Good)
    assert done == ["1.0.0.n"]
    world.until(lambda: not world.polls[-1][0])
    assert again.home.identity() == first.home.identity()


def test_a_call_that_was_in_hand_is_done_after_a_restart(world: World, daemon: Start):
    never = threading.Event()
    first = daemon(lambda o, s, w: o and never.wait(10) and None)
    world.ask(offer())
    world.until(lambda: world.polls[-1][0])
    first.crash()
    daemon()
    assert isinstance(world.answers()[0], Good)
    never.set()


def test_an_answer_cut_off_by_a_power_cut_is_made_again(world: World, daemon: Start):
    world.refuse = lambda what: what == "reply" and world.leave()
    first = daemon()
    world.ask(offer())
    world.until(lambda: world.away)
    first.crash()
    (path,) = first.home.outbox.rglob("*.answer")
    path.write_bytes(path.read_bytes()[:-3])
    world.refuse = lambda what: None
    world.back()
    daemon()
    assert isinstance(world.answers()[0], Good)
    world.until(lambda: not world.polls[-1][0])
    assert not path.exists()


def test_a_reply_that_is_not_taken_is_told_as_invalid(world: World, daemon: Start):
    def refuse(what: str) -> None:
        if what == "reply" and world.replies == 0:
            world.replies += 1
            raise refused(413, "reply.too-large")

    world.refuse = refuse
    daemon()
    world.ask(offer())
    (answer,) = world.answers()
    assert isinstance(answer, Bad)
    assert answer.failure == "invalid"


def test_a_full_disk_makes_an_answer_wait(world: World, daemon: Start, monkeypatch: pytest.MonkeyPatch):
    keep, full = Outbox.keep, []

    def keeping(self: Any, *args: Any, **options: Any) -> None:
        if len(full) < 2:
            full.append(True)
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(self, *args, **options)

    monkeypatch.setattr(Outbox, "keep", keeping)
    daemon()
    world.ask(offer())
    assert isinstance(world.answers()[0], Good)
    world.until(lambda: any("No space left" in line.message for line in world.said))


def test_one_fencing_begins_a_new_session_and_two_end_the_daemon(world: World, daemon: Start):
    node = daemon()
    world.until(lambda: world.session == 1 and len(world.polls) > 1)
    with world.changed:
        world.session += 1
        world.changed.notify_all()
    world.until(lambda: world.session == 3)
    with world.changed:
        world.session += 1
        world.changed.notify_all()
    node._running.join(10)
    (error,) = node.fatal
    assert error.code == "node.fenced"


def test_a_hello_that_is_refused_ends_the_daemon(world: World, daemon: Start):
    def refuse(what: str) -> None:
        raise refused(401, "auth.bad-token")

    world.refuse = refuse
    node = daemon()
    node._running.join(10)
    assert [e.code for e in node.fatal] == ["auth.bad-token"]


def test_a_wrong_clock_is_told_once(world: World, daemon: Start):
    world.skew = -3600.0
    node = daemon()
    world.ask(offer())
    world.answers()
    assert len([text for text in node.warned if "clock is 3,600 s ahead" in text]) == 1


def test_two_daemons_do_not_share_a_home(tmp_path: Path):
    home = Home(tmp_path / "home")
    with pytest.raises(AtollError) as caught:
        Home(tmp_path / "home")
    assert caught.value.code == "node.home-busy"
    home.close()
    Home(tmp_path / "home").close()


def test_what_is_under_way_is_finished_before_the_end(world: World, daemon: Start):
    begun = threading.Event()

    def do(o: Any, s: Any, w: Any) -> Any:
        if o:
            begun.set()
            time.sleep(0.1)

    node = daemon(do)
    world.ask(offer())
    assert begun.wait(5)
    node.end(grace=5.0)
    assert len(world.accepted) == 1
    assert node.launcher.workers[0].ended.is_set()


def test_pauses_grow_and_end_at_once_when_it_is_fair():
    weather, passed = Weather(), []

    def tries() -> None:
        for number in weather.tries():
            passed.append(number)
            if number == 8:
                return

    thread = threading.Thread(target=tries, daemon=True)
    begun = time.monotonic()
    thread.start()
    while thread.is_alive():
        weather.fair()
    assert time.monotonic() - begun < 5
    assert passed == list(range(9))


def test_lines_arrive_before_the_answer_of_the_call_that_said_them(world: World, daemon: Start):
    seen = []
    world.verdict = lambda answer: seen.append(len(world.said))  # type: ignore[func-returns-value]

    def do(o: Any, s: Any, w: Any) -> Any:
        if o:
            for i in range(2500):
                w.say("info", f"line {i}", o.round)

    daemon(do)
    world.ask(offer())
    world.answers()
    assert seen == [2500]
    assert [line.message for line in world.said] == [f"line {i}" for i in range(2500)]
