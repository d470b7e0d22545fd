"""The API: each route with what it takes and gives, from which the door dispatches and the OpenAPI document is made.

Doesn't know how requests come.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._refusals import Refusal
from atoll.wire import (
    Answer,
    Attend,
    Attended,
    Check,
    Checked,
    Events,
    Federation,
    FederationList,
    Heard,
    Hello,
    HostOrders,
    HostPoll,
    Lack,
    Lacking,
    Lines,
    NewRun,
    NodeList,
    Ok,
    Orders,
    Poll,
    ProbeResult,
    RunEnded,
    RunInfo,
    RunList,
    Say,
    Shelved,
    Verdict,
    Welcome,
)

MIB = 1 << 20
MOST, LONGEST = 1 << 53, 600  # events of a run; seconds
TEXT = {"type": "string"}
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as a route's function sees it."""

    body: Any
    path: Mapping[str, str]
    query: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """A text of the query; "" when it is not there."""
        return self.query.get(name, ("",))[-1]

    def number(self, name: str, most: float) -> float:
        """A number of the query; 0 when it is not there. Raises `Refusal`."""
        text = self.query.get(name, ("0",))[-1]
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            message = f"{name} is a number from 0 to {most:g}, not {text!r:.40}"
            raise Refusal(400, "request.bad-number", message, "see /openapi.json")
        return value


Done: TypeAlias = Callable[[Desk, Asked], Awaitable[msgspec.Struct]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `statuses` are those beside 200 and those that every route has."""

    method: str
    path: str
    answer: type[msgspec.Struct]
    done: Done
    body: type[msgspec.Struct] | None = None
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # name to its JSON schema
    statuses: tuple[int, ...] = (404, 409)
    limit: int = MIB  # bytes of the body
    waits: bool = False  # the answer may be a while in coming, and is for nobody when whoever asked has gone
    leaving: str = ""  # the method of the desk that is told of that

    @property
    def pattern(self) -> re.Pattern[str]:
        """What paths it serves."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))


def _name(asked: Asked, which: str) -> str:
    name = asked.path[which]
    if not NAME.fullmatch(name):
        mend = "use letters, digits, `_`, `.` and `-`"
        raise Refusal(400, "request.bad-name", f"{name!r:.140} is no name of a federation or node", mend)
    return name


def _keys(asked: Asked) -> list[str]:
    return [key for key in asked.query.get("keys", ()) if key]


async def _events(desk: Desk, asked: Asked) -> Events:
    return await desk.events(
        asked.path["run"], int(asked.number("after", MOST)), asked.number("wait", LONGEST)
    )


ROUTES = (
    Route("POST", "/v1/node/hello", Welcome, lambda d, a: d.hello(a.body), Hello),
    Route("POST", "/v1/node/poll", Orders, lambda d, a: d.poll(a.body), Poll, limit=64 * MIB, waits=True, leaving="gone"),
    Route("POST", "/v1/node/reply", Verdict, lambda d, a: d.reply(a.body), Answer, limit=64 * MIB),
    Route("POST", "/v1/node/lines", Ok, lambda d, a: d.lines(a.body), Lines, limit=16 * MIB),
    Route("POST", "/v1/node/probed", Ok, lambda d, a: d.probed(a.body), ProbeResult),
    Route("POST", "/v1/host/hello", Welcome, lambda d, a: d.host_hello(a.body), Hello),
    Route("POST", "/v1/host/poll", HostOrders, lambda d, a: d.host_poll(a.body), HostPoll, waits=True, leaving="host_gone"),
    Route("POST", "/v1/host/ended", Ok, lambda d, a: d.host_ended(a.body), RunEnded),
    Route("POST", "/v1/runs/{run}/attend", Attended, lambda d, a: d.attend(a.path["run"], a.body), Attend),
    Route("POST", "/v1/runs/{run}/say", Heard, lambda d, a: d.say(a.path["run"], a.body), Say, limit=256 * MIB),
    Route("GET", "/v1/runs/{run}/events", Events, _events, waits=True,
          query={"after": {"type": "integer", "minimum": 0, "maximum": MOST}, "wait": {"type": "number", "minimum": 0, "maximum": LONGEST}}),
    Route("GET", "/v1/runs/{run}/shelf", Shelved, lambda d, a: d.shelf(a.path["run"], _keys(a)), query={"keys": {"type": "array", "items": TEXT}}),
    Route("POST", "/v1/runs", RunInfo, lambda d, a: d.new_run(a.body), NewRun),
    Route("GET", "/v1/runs", RunList, lambda d, a: d.runs(a.text("federation")), query={"federation": TEXT}),
    Route("GET", "/v1/runs/{run}", RunInfo, lambda d, a: d.run(a.path["run"])),
    Route("DELETE", "/v1/runs/{run}", Ok, lambda d, a: d.remove(a.path["run"])),
    Route("POST", "/v1/runs/{run}/stop", RunInfo, lambda d, a: d.stop(a.path["run"])),
    Route("POST", "/v1/runs/{run}/resume", RunInfo, lambda d, a: d.resume(a.path["run"])),
    Route("GET", "/v1/federations", FederationList, lambda d, a: d.federations()),
    Route("POST", "/v1/federations", Federation, lambda d, a: d.create_federation(a.body), Federation),
    Route("GET", "/v1/federations/{name}", Federation, lambda d, a: d.federation(_name(a, "name"))),
    Route("DELETE", "/v1/federations/{name}", Ok, lambda d, a: d.delete_federation(_name(a, "name"))),
    Route("POST", "/v1/federations/{name}/nodes/{node}", Federation, lambda d, a: d.add_node(_name(a, "name"), _name(a, "node"))),
    Route("DELETE", "/v1/federations/{name}/nodes/{node}", Federation, lambda d, a: d.remove_node(_name(a, "name"), _name(a, "node"))),
    Route("GET", "/v1/nodes", NodeList, lambda d, a: d.nodes()),
    Route("POST", "/v1/checks", Checked, lambda d, a: d.check(a.body), Check),
    Route("POST", "/v1/objects/lack", Lacking, lambda d, a: d.lack(a.body), Lack, limit=64 * MIB),
)  # fmt: skip
