"""`atoll node`: a node beside its data, and the list of those that a coordinator knows.

Doesn't know what a node does.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from urllib.parse import urlsplit

from atoll.data import SIMULATED, is_function
from atoll.surfaces._places import needed
from atoll.surfaces.cli._daemon import (
    coordinator_of,
    joined_in,
    leave_signals_to_the_daemon,
    own_name,
    pairs,
    size,
    typed,
)
from atoll.surfaces.cli._home import home
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import age
from atoll.values import ConfigError
from atoll.wire import NodeInfo, NodeList


def start(values: Namespace, out: Output) -> int:
    """Run a node until it is told to end."""
    from atoll.service.node import NodeSettings, serve

    joined = None if values.coordinator else joined_in(values.home)
    name = values.name or (joined.name if joined else own_name())
    address = joined.address(_folder(values.home)) if joined else coordinator_of(values)
    settings = NodeSettings(
        coordinator=address, name=name, home=str(_home(values, address.url, name)),
        data=sources(values.data) or (joined.data if joined else {}),
        pins={federation: pin.root for federation, pin in joined.pins.items()} if joined else {},
        config=typed(pairs("--config", values.config)), labels=pairs("--label", values.label), resources=_resources(values),
        tell=values.tell or "names", slots=1 if values.slots is None else values.slots, environments=values.environments or "here",
        wheelhouse=values.wheelhouse, index=values.index,
    )  # fmt: skip
    leave_signals_to_the_daemon()

    def ready() -> None:
        out.document("atoll.node/1", {"name": name, "coordinator": address.url, "home": settings.home})
        out.line(f"{name} is a node of {address.url}; ^C ends it")

    serve(settings, ready=ready)
    return 0


def ls(values: Namespace, out: Output) -> int:
    """List the nodes."""
    nodes = _asked(values)
    out.document("atoll.nodes/1", {"nodes": [as_document(n) for n in nodes]})
    if not nodes:
        out.line("no nodes yet: `atoll node start` makes one, beside its data")
        return 0
    table(nodes, out)
    return 0


def table(nodes: list[NodeInfo], out: Output) -> None:
    """Nodes, one a line."""
    rows = [
        (n.name, out.paint(n.status, "green" if n.status == "here" else "yellow"), age(n.since) if n.since else "never", f"{n.busy}/{n.slots}",
         ", ".join(n.data) or "-", ", ".join(n.federations) or "-", n.version, _remarks(n))
        for n in nodes
    ]  # fmt: skip
    out.table(("NAME", "STATUS", "SINCE", "TASKS", "DATA", "FEDERATIONS", "VERSION", ""), rows, right="TASKS")


def as_document(n: NodeInfo) -> dict[str, object]:
    """A node for programs."""
    return {
        "name": n.name, "status": n.status, "since": n.since, "version": n.version, "slots": n.slots, "busy": n.busy, "data": n.data,
        "labels": n.labels, "resources": n.resources, "skew": n.skew, "federations": n.federations,
    }  # fmt: skip


def _asked(values: Namespace) -> list[NodeInfo]:
    from atoll.surfaces._coordinator import talking_to

    with talking_to(needed(values.on)) as client:
        return client.call("GET", "/v1/nodes", None, NodeList).nodes


def _remarks(n: NodeInfo) -> str:
    labels = "  ".join(f"{k}={v}" for k, v in n.labels.items())
    clock = (
        f"its clock is {abs(n.skew):.0f} s {'ahead' if n.skew > 0 else 'behind'}" if abs(n.skew) > 5 else ""
    )
    return "  ".join(t for t in (labels, clock) if t)


def _folder(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _home(values: Namespace, url: str, name: str) -> Path:
    """The same node finds the same home again, whatever else this machine runs."""
    if values.home:
        return _folder(values.home)
    place = urlsplit(url).netloc.replace(":", "-")
    return Path(home()).resolve() / "nodes" / f"{name}@{place}"


def sources(texts: list[str]) -> dict[str, str]:
    """What `--data` named: each source in full."""
    simulated = {SIMULATED: SIMULATED} if SIMULATED in texts else {}
    found = pairs("--data", [text for text in texts if text != SIMULATED])
    return {**simulated, **{name: _source(name, source) for name, source in found.items()}}


def _source(name: str, source: str) -> str:
    """A file's or folder's path in full; a function as it is, for the app's folder is where it is looked for."""
    if is_function(source):
        return source
    path = Path(source).expanduser()
    if not path.exists():
        raise ConfigError(
            "data.no-file",
            f"--data {name}={source}: there is no such file or folder",
            "name one that is there",
        )
    return str(path.resolve())


def _resources(values: Namespace) -> dict[str, float]:
    given = {"cpus": values.cpus, "gpus": values.gpus}
    found = {name: float(number) for name, number in given.items() if number is not None}
    return {**found, **({"memory": size("--memory", values.memory)} if values.memory else {})}
