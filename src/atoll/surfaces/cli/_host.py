"""`atoll host start`: a host, which runs server apps for a coordinator.

Doesn't know how it runs them.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from urllib.parse import urlsplit

from atoll.surfaces.cli._daemon import coordinator_of, joined_in, leave_signals_to_the_daemon, own_name
from atoll.surfaces.cli._home import home
from atoll.surfaces.cli._output import Output

_SLOTS = 4  # server apps at a time


def start(values: Namespace, out: Output) -> int:
    """Run a host until it is told to end."""
    from atoll.service.host import HostSettings, serve

    joined = None if values.coordinator else joined_in(values.home)
    name = values.name or (joined.name if joined else own_name())
    address = joined.address(Path(values.home).expanduser().resolve()) if joined else coordinator_of(values)
    place = urlsplit(address.url).netloc.replace(":", "-")
    folder = Path(values.home).expanduser() if values.home else Path(home()) / "hosts" / f"{name}@{place}"
    slots = _SLOTS if values.slots is None else values.slots
    pins = {federation: pin.root for federation, pin in joined.pins.items()} if joined else {}
    settings = HostSettings(
        coordinator=address, name=name, slots=slots, home=str(folder.resolve()), pins=pins
    )
    leave_signals_to_the_daemon()

    def ready() -> None:
        out.document("atoll.host/1", {"name": name, "coordinator": address.url, "home": settings.home})
        out.line(f"{name} is a host of {address.url}; ^C ends it")

    serve(settings, ready=ready)
    return 0
