"""The host's daemon: it starts server apps by order, ends them by order, and tells how they ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pytest
from http_town import Door
from real_desk import Town
from test_attempt import clients, simulated
from test_desk import attempt_reader

from atoll import Arrays, Mean, Task
from atoll.journal import Event, Finished, Logged, Started
from atoll.service.host import HostSettings
from atoll.wire import Address, pack_bundle

SERVER = """
import atoll, os, time
import numpy as np

print("loading")
app = atoll.ServerApp()

@app.main
def main(fleet, ctx):
    print("pid", os.getpid())
    {begin}
    loop = ctx.rounds(3, initial={{"model": atoll.Arrays(w=np.zeros(100), b=np.ones(3))}})
    for rnd in loop:
        mean = atoll.Mean()
        for reply in fleet.ask(atoll.Task("train", {{"model": rnd.state["model"]}})):
            mean.add(reply)
        rnd.commit({{"model": mean.finish()}})
        {after}
    return loop.state["model"]
"""


def project(folder: Path, *, begin: str = "pass", after: str = "pass") -> bytes:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\n[tool.atoll]\nserver = "served:app"\nclient = "served:none"\n'
    )
    (folder / "served.py").write_text(SERVER.format(begin=begin, after=after))
    return pack_bundle(folder).body


class Place:
    """A town with a run of an app, a door, and hosts; they end with the `with`."""

    def __init__(self, folder: Path, **app: str) -> None:
        self.folder = folder
        spec = {"name": "app", "server": "served:app", "client": "served:none"}
        self.town = Town(
            folder / "coordinator", clients(), bundle=project(folder / "app", **app), app=spec, where="host"
        )
        self.door = Door(self.town)
        self.hosts: list[subprocess.Popen[bytes]] = []

    def host(self) -> subprocess.Popen[bytes]:
        settings = HostSettings(
            coordinator=Address(url=self.door.url), name="host", home=str(self.folder / "host")
        )
        path = self.folder / "settings.json"
        path.write_bytes(msgspec.json.encode(settings))
        process = subprocess.Popen([sys.executable, "-m", "atoll.service.host", str(path)])
        self.hosts.append(process)
        return process

    def until(self, found: Callable[[Event], bool], after: int = 0) -> Event:
        """The first event of a kind; the journal's own long poll waits for it."""
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            for event in self.town.events[after:]:
                if found(event):
                    return event
            self.town._do(self.town.desk.events(self.town.run, len(self.town.events), 1.0))
        raise AssertionError([*map(type, self.town.events)])

    def pid(self, after: int = 0) -> int:
        line = self.until(lambda e: isinstance(e, Logged) and e.message.startswith("pid "), after)
        assert isinstance(line, Logged)
        return int(line.message.split()[1])

    def end(self) -> Finished:
        event = self.until(lambda e: isinstance(e, Finished))
        assert isinstance(event, Finished)
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            host.kill()
            host.wait()
        self.door.close()
        self.town.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    with contextlib.ExitStack() as stack:
        yield lambda **app: stack.enter_context(Place(tmp_path, **app))


def gone(pid: int) -> None:
    """Return when a process is gone."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{pid} is still there")


def undisturbed(town: Town) -> Any:
    def trained(fleet: Any, ctx: Any) -> Any:
        loop = ctx.rounds(3, initial={"model": Arrays(w=np.zeros(100), b=np.ones(3))})
        for rnd in loop:
            mean = Mean()
            for reply in fleet.ask(Task("train", {"model": rnd.state["model"]})):
                mean.add(reply)
            rnd.commit({"model": mean.finish()})
        return loop.state["model"]

    return simulated(clients(), town.events[0], trained).model


def model(town: Town) -> Any:
    return attempt_reader(town).model


def test_a_run_that_is_ordered_is_run_to_its_end_with_what_it_printed(place: Callable[..., Place]) -> None:
    here = place()
    here.host()
    assert here.end().status == "finished"
    printed = [e.message for e in here.town.events if isinstance(e, Logged) and e.level == "output"]
    assert printed[0] == "loading"
    assert model(here.town) == undisturbed(here.town)


def test_a_server_app_that_is_killed_is_ordered_again_and_asks_nothing_twice(
    place: Callable[..., Place],
) -> None:
    here = place(after="time.sleep(0.2)")
    here.host()
    os.kill(here.pid(), signal.SIGKILL)
    assert here.end().status == "finished"
    assert len([e for e in here.town.events if isinstance(e, Started)]) == 2
    assert len(set(here.town.performed)) == len(here.town.performed)
    assert model(here.town) == undisturbed(here.town)


def test_programs_die_with_their_host_and_go_on_with_the_next(place: Callable[..., Place]) -> None:
    here = place(after="time.sleep(0.3)")
    host = here.host()
    pid = here.pid()
    host.kill()
    host.wait()
    gone(pid)
    here.host()
    assert here.end().status == "finished"
    assert model(here.town) == undisturbed(here.town)


def test_a_run_that_is_stopped_ends_cleanly_even_while_it_computes(place: Callable[..., Place]) -> None:
    here = place(begin="time.sleep(60)")
    here.host()
    pid = here.pid()
    here.town.wish("stop")
    assert here.end().status == "stopped"
    gone(pid)


def test_a_server_app_that_raises_fails_with_its_traceback(place: Callable[..., Place]) -> None:
    here = place(begin='raise ValueError("no luck")')
    here.host()
    end = here.end()
    assert (end.status, end.reason["code"], end.reason["message"]) == (
        "failed",
        "app.raised",
        "ValueError: no luck",
    )
    assert "served.py" in end.reason["traceback"]


def test_a_server_app_that_cannot_be_imported_fails_with_the_reason(place: Callable[..., Place]) -> None:
    here = place(begin="pass\n    )")
    here.host()
    end = here.end()
    assert (end.status, end.reason["code"]) == ("failed", "app.raised")
    assert "SyntaxError" in end.reason["message"]


def test_a_coordinator_that_is_away_for_a_while_is_waited_for(place: Callable[..., Place]) -> None:
    here = place(after="time.sleep(0.2)")
    here.host()
    here.pid()
    port = here.door.port
    here.door.close()
    threading.Event().wait(1.0)
    here.door = Door(here.town, port)
    assert here.end().status == "finished"
    assert len([e for e in here.town.events if isinstance(e, Started)]) == 1
    assert model(here.town) == undisturbed(here.town)


def test_a_second_host_in_the_same_home_is_refused(place: Callable[..., Place]) -> None:
    here = place(begin="time.sleep(60)")
    here.host()
    here.pid()
    second = here.host()
    assert second.wait(30) == 1
