"""The API: each route with what it takes and gives, from which the door dispatches and the OpenAPI document is made.

Doesn't know how requests come.
"""

from __future__ import annotations

import re

from atoll.identity import Permission as P
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._route import MIB, TEXT, Asked, Route
from atoll.service.coordinator._routes_audit import AUDIT_ROUTES
from atoll.service.coordinator._routes_identity import IDENTITY_ROUTES
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
    LendKey,
    Lines,
    NewRun,
    NodeList,
    Ok,
    Orders,
    Poll,
    ProbeResult,
    RunEnded,
    RunInfo,
    RunKey,
    RunList,
    Say,
    Shelved,
    Verdict,
    Welcome,
)

MOST, LONGEST = 1 << 53, 600  # events of a run; seconds
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


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
        asked.path["run"], int(asked.number("after", MOST)), asked.number("wait", LONGEST), who=asked.who
    )


ROUTES = (
    Route("POST", "/v1/node/hello", P.NODE_CALL, Welcome, lambda d, a: d.hello(a.body, who=a.who), Hello),
    Route("POST", "/v1/node/poll", P.NODE_CALL, Orders, lambda d, a: d.poll(a.body, who=a.who), Poll, limit=64 * MIB, waits=True, leaving="gone"),
    Route("POST", "/v1/node/reply", P.NODE_CALL, Verdict, lambda d, a: d.reply(a.body, who=a.who), Answer, limit=64 * MIB),
    Route("POST", "/v1/node/lines", P.NODE_CALL, Ok, lambda d, a: d.lines(a.body, who=a.who), Lines, limit=16 * MIB),
    Route("POST", "/v1/node/probed", P.NODE_CALL, Ok, lambda d, a: d.probed(a.body, who=a.who), ProbeResult),
    Route("POST", "/v1/host/hello", P.HOST_CALL, Welcome, lambda d, a: d.host_hello(a.body, who=a.who), Hello),
    Route("POST", "/v1/host/poll", P.HOST_CALL, HostOrders, lambda d, a: d.host_poll(a.body, who=a.who), HostPoll, waits=True, leaving="host_gone"),
    Route("POST", "/v1/host/ended", P.HOST_CALL, Ok, lambda d, a: d.host_ended(a.body, who=a.who), RunEnded),
    Route("POST", "/v1/runs/{run}/attend", P.RUN_DRIVE, Attended, lambda d, a: d.attend(a.path["run"], a.body, who=a.who), Attend),
    Route("POST", "/v1/runs/{run}/say", P.RUN_DRIVE, Heard, lambda d, a: d.say(a.path["run"], a.body, who=a.who), Say, limit=256 * MIB, stays=True),
    Route("POST", "/v1/runs/{run}/key", P.RUN_SUBMIT, RunKey, lambda d, a: d.lend_key(a.path["run"], a.body, who=a.who), LendKey, also=(P.HOST_CALL,)),
    Route("GET", "/v1/runs/{run}/events", P.RUN_SEE, Events, _events, waits=True,
          query={"after": {"type": "integer", "minimum": 0, "maximum": MOST}, "wait": {"type": "number", "minimum": 0, "maximum": LONGEST}}),
    Route("GET", "/v1/runs/{run}/shelf", P.RUN_PULL, Shelved, lambda d, a: d.shelf(a.path["run"], _keys(a), who=a.who), query={"keys": {"type": "array", "items": TEXT}}),
    Route("POST", "/v1/runs", P.RUN_SUBMIT, RunInfo, lambda d, a: d.new_run(a.body, who=a.who), NewRun),
    Route("GET", "/v1/runs", P.RUN_SEE, RunList, lambda d, a: d.runs(a.text("federation"), who=a.who), query={"federation": TEXT}),
    Route("GET", "/v1/runs/{run}", P.RUN_SEE, RunInfo, lambda d, a: d.run(a.path["run"], who=a.who)),
    Route("DELETE", "/v1/runs/{run}", P.RUN_REMOVE, Ok, lambda d, a: d.remove(a.path["run"], who=a.who)),
    Route("POST", "/v1/runs/{run}/stop", P.RUN_STOP, RunInfo, lambda d, a: d.stop(a.path["run"], who=a.who)),
    Route("POST", "/v1/runs/{run}/resume", P.RUN_STOP, RunInfo, lambda d, a: d.resume(a.path["run"], who=a.who)),
    Route("GET", "/v1/federations", P.FEDERATION_SEE, FederationList, lambda d, a: d.federations(who=a.who)),
    Route("POST", "/v1/federations", P.FEDERATION_CREATE, Federation, lambda d, a: d.create_federation(a.body, who=a.who), Federation),
    Route("GET", "/v1/federations/{name}", P.FEDERATION_SEE, Federation, lambda d, a: d.federation(_name(a, "name"), who=a.who)),
    Route("DELETE", "/v1/federations/{name}", P.FEDERATION_REMOVE, Ok, lambda d, a: d.delete_federation(_name(a, "name"), who=a.who)),
    Route("POST", "/v1/federations/{name}/nodes/{node}", P.FEDERATION_CHANGE, Federation, lambda d, a: d.add_node(_name(a, "name"), _name(a, "node"), who=a.who)),
    Route("DELETE", "/v1/federations/{name}/nodes/{node}", P.FEDERATION_CHANGE, Federation, lambda d, a: d.remove_node(_name(a, "name"), _name(a, "node"), who=a.who)),
    Route("GET", "/v1/nodes", P.NODE_SEE, NodeList, lambda d, a: d.nodes(who=a.who)),
    Route("POST", "/v1/checks", P.RUN_CHECK, Checked, lambda d, a: d.check(a.body, who=a.who), Check),
    Route("POST", "/v1/objects/lack", P.OBJECT_PUT, Lacking, lambda d, a: d.lack(a.body, who=a.who), Lack, limit=64 * MIB),
    *AUDIT_ROUTES,
    *IDENTITY_ROUTES,
)  # fmt: skip
