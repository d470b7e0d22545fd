"""`atoll federation`: named sets of nodes at a coordinator.

Doesn't know how the coordinator keeps them.
"""

from __future__ import annotations

from argparse import Namespace
from urllib.parse import quote

from atoll.surfaces._coordinator import talking_to
from atoll.surfaces._places import needed
from atoll.surfaces.cli._node import as_document as node_document
from atoll.surfaces.cli._node import table
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import age, count
from atoll.wire import Federation, FederationList, NodeList


def ls(values: Namespace, out: Output) -> int:
    """List the federations."""
    with talking_to(needed(values.on)) as client:
        found = client.call("GET", "/v1/federations", None, FederationList).federations
    out.document("atoll.federations/1", {"federations": [_document(f) for f in found]})
    rows = [
        (f.name, count(len(f.nodes), "node"), "yes" if f.open else "no", age(f.created) if f.created else "-")
        for f in found
    ]
    out.table(("NAME", "NODES", "OPEN", "AGE"), rows)
    return 0


def create(values: Namespace, out: Output) -> int:
    """Make one."""
    place = needed(values.on)
    with talking_to(place) as client:
        asked = Federation(name=values.federation, open=values.open)
        made = client.call("POST", "/v1/federations", asked, Federation)
    out.document("atoll.federation/1", _document(made))
    out.line(f"{made.name}: every node that comes is in it" if made.open else f"{made.name}: no nodes yet")
    if place.key:
        out.line(f"  your key is its root: it decides who belongs to {made.name}")
        out.line(f"  invite one   atoll invite node NODE --federation {made.name}{out.on}")
    elif not made.open:
        out.line(f"  add one      atoll federation add-node {made.name} NODE{out.on}")
    return 0


def show(values: Namespace, out: Output) -> int:
    """Show one, and its nodes."""
    with talking_to(needed(values.on)) as client:
        found = client.call("GET", _path(values.federation), None, Federation)
        nodes = {n.name: n for n in client.call("GET", "/v1/nodes", None, NodeList).nodes}
    members = [nodes[name] for name in found.nodes if name in nodes]
    unseen = [name for name in found.nodes if name not in nodes]
    out.document(
        "atoll.federation/1",
        {**_document(found), "members": [node_document(n) for n in members], "unseen": unseen},
    )
    out.line(
        f"{out.paint(found.name, 'bold')}  {count(len(found.nodes), 'node')}{', open to every node that comes' if found.open else ''}"
    )
    if members:
        table(members, out)
    if unseen:
        out.line(out.paint(f"never seen: {', '.join(unseen)}", "dim"))
    return 0


def add_node(values: Namespace, out: Output) -> int:
    """Put a node in."""
    return _changed("POST", values, out, "is in")


def remove_node(values: Namespace, out: Output) -> int:
    """Take a node out."""
    return _changed("DELETE", values, out, "is no longer in")


def _changed(method: str, values: Namespace, out: Output, told: str) -> int:
    path = f"{_path(values.federation)}/nodes/{quote(values.node, safe='')}"
    with talking_to(needed(values.on)) as client:
        found = client.call(method, path, None, Federation)
    out.document("atoll.federation/1", _document(found))
    out.line(f"{values.node} {told} {found.name}: {count(len(found.nodes), 'node')}")
    return 0


def _path(name: str) -> str:
    return f"/v1/federations/{quote(name, safe='')}"


def _document(f: Federation) -> dict[str, object]:
    return {"name": f.name, "nodes": f.nodes, "open": f.open, "created": f.created}
