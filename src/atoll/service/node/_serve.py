"""The daemon: a node that runs until it is told to end.

Doesn't know which command started it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from atoll.service._daemon import Ends, once, warn
from atoll.service._rotation import going_on
from atoll.service.guard import Guard, Rosters
from atoll.service.node._home import Home
from atoll.service.node._launch import Launcher
from atoll.service.node._link import Link
from atoll.service.node._node import Node
from atoll.service.node._settings import NodeSettings
from atoll.service.node._wire import Coordinator
from atoll.wire import Welcome


def serve(settings: NodeSettings, *, ready: Callable[[], None] | None = None) -> None:
    """Be a node until SIGTERM or ^C; `ready` is called once, when the coordinator knows it.

    Raises `AtollError` when the home is taken, or the coordinator refuses it for good."""
    home = Home(Path(settings.home).expanduser().resolve())
    ends, tell = Ends(), once(ready or _telling(settings))
    try:
        going_on(settings.coordinator, lambda: _serve(settings, home, ends, tell), "node")
    finally:
        home.close()


def _serve(
    settings: NodeSettings,
    home: Home,
    ends: Ends,
    ready: Callable[[], None],
) -> BaseException | None:
    """Until it is told to end (None), or something can't be mended."""
    coordinator = Coordinator(settings, home.identity())
    launcher = Launcher(settings, home, coordinator.bundle)
    node = Node(settings, home, coordinator, launcher, warn, _guard(settings, home, coordinator))
    link = _link(settings, coordinator, node, ready)
    coordinator.keep_renewed(warn)
    threading.Thread(target=_until_end, args=(link, ends), name="link", daemon=True).start()
    why = ends.get()
    if why is None:
        warn("ending: what is under way is finished or handed back")
    node.close(settings.grace if why is None else 0.0)
    return why


def _guard(settings: NodeSettings, home: Home, coordinator: Coordinator) -> Guard | None:
    """What only lets signed runs through; None for a node that has no key, and a coordinator on its own machine."""
    if not (settings.coordinator.key or settings.pins):
        return None
    from atoll.identity import Key  # slow to import

    rosters = Rosters(home.folder / "rosters", settings.pins, coordinator.roster)
    return Guard(home.folder, rosters, me=Key.load(settings.coordinator.key).id, kind="node")


def _link(settings: NodeSettings, coordinator: Coordinator, node: Node, ready: Callable[[], None]) -> Link:
    def welcome(_: Welcome) -> None:
        node.welcome()
        ready()

    found = node.resources.document()
    return Link(
        coordinator, node, node.weather, resources=found, data=list(settings.data), welcome=welcome, warn=warn
    )


def _telling(settings: NodeSettings) -> Callable[[], None]:
    data = f"data: {', '.join(sorted(settings.data)) or 'none'}"
    slots = f"{settings.slots} slot{'s' if settings.slots > 1 else ''}"
    text = f"node {settings.name} is ready at {settings.coordinator.url} ({slots}, {data})"
    return lambda: print(text, flush=True)


def _until_end(link: Link, ends: Ends) -> None:
    try:
        link.run()
    except BaseException as error:  # for the main thread to raise
        ends.put(error)
