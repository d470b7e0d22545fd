"""`atoll up` and `atoll down`: a federation of real processes on this machine.

Doesn't know what they do: it starts the same commands that an administrator types.
"""

from __future__ import annotations

import os
import shutil
import socket
from argparse import Namespace
from pathlib import Path
from urllib.parse import urlsplit

from atoll.journal import one_at_a_time
from atoll.surfaces._places import LOCAL, Place, local_home, of_home
from atoll.surfaces.cli._background import Background, end
from atoll.surfaces.cli._home import home
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import count
from atoll.values import ConfigError, RunError

_NODES = 3
_GRACE = 15.0  # seconds for a process to end by itself


def up(values: Namespace, out: Output) -> int:
    """Start what is missing of the local federation; returns when every node is there."""
    wanted = _NODES if values.nodes is None else values.nodes
    if wanted < 1:
        raise ConfigError(
            "simulation.no-nodes", f"a federation has at least one node, not {wanted}", "--nodes 3"
        )
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with one_at_a_time(folder / "lock"):
        coordinator = Background(folder, "coordinator")
        nodes = [Background(folder, f"node-{i}") for i in range(max(wanted, len(_nodes(folder))))]
        wanted_nodes = [n for i, n in enumerate(nodes) if i < wanted or n.alive]
        started = _start(folder, coordinator, wanted_nodes, values.port)
    place = _announced(folder)
    names = [n.name for n in wanted_nodes]
    out.document(
        "atoll.up/1",
        {"context": LOCAL, "url": place.url, "nodes": names, "started": started, "home": str(folder)},
    )
    _tell(place.url, names, started, out)
    return 0


def down(values: Namespace, out: Output) -> int:
    """End the local federation; returns when no process is left."""
    folder = _folder()
    ended: list[str] = []
    if folder.is_dir():
        with one_at_a_time(folder / "lock"):
            processes = [*_nodes(folder), Background(folder, "coordinator")]
            ended = [p.name for p in processes if p.alive]
            killed = end(processes, grace=_GRACE)
            for name in killed:
                out.note(f"{name} did not end by itself, and was killed")
        if values.rm:
            shutil.rmtree(folder, ignore_errors=True)
    out.document("atoll.down/1", {"ended": ended, "removed": bool(values.rm)})
    out.line(
        f"ended {count(len(ended), 'process').replace('processs', 'processes')}"
        if ended
        else "nothing was running"
    )
    if ended and not values.rm:
        out.line(
            out.paint(
                "its runs are kept: `atoll up` goes on with them, `atoll down --rm` deletes them", "dim"
            )
        )
    return 0


def _start(folder: Path, coordinator: Background, nodes: list[Background], port: int | None) -> list[str]:
    environment = {**os.environ, "ATOLL_HOME": str(Path(home()).resolve()), "PYTHONUNBUFFERED": "1"}
    environment.pop("ATOLL_CONTEXT", None)
    started: list[Background] = []
    try:
        if not coordinator.alive:
            started.append(coordinator)
            words = ["--home", str(folder / "coordinator"), "--port", str(port or _port(folder))]
            coordinator.start(["coordinator", "start", *words], environment)
            coordinator.ready()
        place = _announced(folder)
        (folder / "port").write_text(str(urlsplit(place.url).port))
        missing = [n for n in nodes if not n.alive]
        for node in missing:
            started.append(node)
            words = [
                "--coordinator",
                place.url,
                "--name",
                node.name,
                "--data",
                "simulated",
                "--tell",
                "fingerprints",
                "--home",
                str(folder / node.name),
            ]
            node.start(["node", "start", *words], environment)
        for node in missing:
            node.ready()
    except BaseException:  # it is raised on; half a federation is left to nobody
        end(started, grace=_GRACE)
        raise
    return [p.name for p in started]


def _tell(url: str, nodes: list[str], started: list[str], out: Output) -> None:
    already = "" if started else out.paint("  (up already)", "dim")
    out.line(f"coordinator  {out.paint(url, 'bold')}{already}")
    shown = ", ".join(nodes) if len(nodes) <= 5 else f"{nodes[0]} to {nodes[-1]}"
    out.line(f"nodes        {shown}")
    out.line(f"  run an app   atoll run --on {LOCAL}")
    out.line(f"  the nodes    atoll node ls --on {LOCAL}")
    out.line("  end it       atoll down")


def _nodes(folder: Path) -> list[Background]:
    names = sorted((p.stem for p in folder.glob("node-*.lock")), key=lambda name: int(name[5:]))
    return [Background(folder, name) for name in names]


def _folder() -> Path:
    return local_home().resolve()


def _announced(folder: Path) -> Place:
    place = of_home(folder / "coordinator")
    if place is None:
        raise RunError("up.failed", "the coordinator has ended again", f"see {folder / 'coordinator.log'}")
    return place


def _port(folder: Path) -> int:
    """The port of last time, which nodes may still be dialling; else a free one."""
    try:
        before = int((folder / "port").read_text())
    except (OSError, ValueError):
        before = 0
    for port in (before, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise ConfigError("up.no-port", "there is no free port on this machine", "--port N")
