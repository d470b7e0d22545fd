"""Roles: one table, which denies whatever it doesn't name, and covers every operation of the coordinator."""

from __future__ import annotations

import pytest

from atoll.identity import ROLES_OF, TABLE, IdentityError, Permission, Role, Scope, demand, may, scope_of
from atoll.service.coordinator._door import BARE, OPEN
from atoll.service.coordinator._route import ANYONE
from atoll.service.coordinator._routes import ROUTES

P = Permission
NEEDED = {
    "POST /v1/node/hello": P.NODE_CALL,
    "POST /v1/node/poll": P.NODE_CALL,
    "POST /v1/node/reply": P.NODE_CALL,
    "POST /v1/node/lines": P.NODE_CALL,
    "POST /v1/node/probed": P.NODE_CALL,
    "POST /v1/host/hello": P.HOST_CALL,
    "POST /v1/host/poll": P.HOST_CALL,
    "POST /v1/host/ended": P.HOST_CALL,
    "POST /v1/runs/{run}/attend": P.RUN_DRIVE,
    "POST /v1/runs/{run}/say": P.RUN_DRIVE,
    "GET /v1/runs/{run}/events": P.RUN_SEE,
    "GET /v1/runs/{run}/shelf": P.RUN_PULL,
    "POST /v1/runs": P.RUN_SUBMIT,
    "GET /v1/runs": P.RUN_SEE,
    "GET /v1/runs/{run}": P.RUN_SEE,
    "DELETE /v1/runs/{run}": P.RUN_REMOVE,
    "POST /v1/runs/{run}/stop": P.RUN_STOP,
    "POST /v1/runs/{run}/resume": P.RUN_STOP,
    "GET /v1/federations": P.FEDERATION_SEE,
    "POST /v1/federations": P.FEDERATION_CREATE,
    "GET /v1/federations/{name}": P.FEDERATION_SEE,
    "DELETE /v1/federations/{name}": P.FEDERATION_REMOVE,
    "POST /v1/federations/{name}/nodes/{node}": P.FEDERATION_CHANGE,
    "DELETE /v1/federations/{name}/nodes/{node}": P.FEDERATION_CHANGE,
    "GET /v1/nodes": P.NODE_SEE,
    "POST /v1/checks": P.RUN_CHECK,
    "POST /v1/objects/lack": P.OBJECT_PUT,
    "PUT /v1/objects": P.OBJECT_PUT,
    "POST /v1/objects/fetch": P.OBJECT_GET,
    "GET /v1/objects/{digest}": P.OBJECT_GET,
    "POST /v1/runs/{run}/key": P.RUN_SUBMIT,
    "GET /v1/audit": P.AUDIT_SEE,
    "GET /v1/audit/export": P.AUDIT_EXPORT,
    "GET /v1/usage": P.USAGE_SEE,
    "GET /v1/federations/{name}/limits": P.USAGE_SEE,
    "POST /v1/federations/{name}/limits": P.FEDERATION_CHANGE,
    "GET /v1/me": P.SELF_SEE,
    "POST /v1/me/renew": P.SELF_SEE,
    "POST /v1/me/rotation": P.SELF_ROTATE,
    "GET /v1/federations/{name}/roster": P.ROSTER_SEE,
    "GET /v1/federations/{name}/members": P.USER_SEE,
    "GET /v1/federations/{name}/invitations": P.USER_INVITE,
    "POST /v1/federations/{name}/invitations": P.USER_INVITE,
    "GET /v1/federations/{name}/requests": P.USER_APPROVE,
    "POST /v1/federations/{name}/approvals": P.USER_APPROVE,
    "POST /v1/federations/{name}/revocations": P.ROSTER_SEE,  # the roster itself knows who may revoke whom
    "GET /metrics": P.METRICS_SEE,
    "GET /v1/about": P.SELF_SEE,
}
FOR_ANYBODY = {
    "GET /v1/ca",
    "GET /v1/enrol/issuer",
    "POST /v1/roots",
    "POST /v1/enrol",
    "POST /v1/enrol/ask",
}  # who is not known yet
COLUMNS = (
    Role.ADMINISTRATOR,
    Role.SCIENTIST,
    Role.SITE_OWNER,
    Role.AUDITOR,
    Role.NODE,
    Role.HOST,
    Role.PROGRAM,
)
EXPECTED = """
self.see           own own own own own own own
self.rotate        own own own own own own -
node.call          -   -   -   -   own -   -
host.call          -   -   -   -   -   own -
run.drive          -   -   -   -   -   -   own
run.submit         all own -   -   -   -   -
run.check          all all -   -   -   -   -
run.see            all all own all -   -   own
run.stop           all own -   -   -   -   -
run.remove         all own -   -   -   -   -
run.pull           all own -   -   -   -   own
object.put         all own -   -   own -   own
object.get         all own -   -   own own own
node.see           all all own all -   -   -
node.invite        all -   -   -   -   -   -
node.approve       all -   -   -   -   -   -
node.revoke        all -   own -   -   -   -
user.see           all -   -   all -   -   -
user.invite        all -   -   -   -   -   -
user.approve       all -   -   -   -   -   -
user.revoke        all -   -   -   -   -   -
host.invite        all -   -   -   -   -   -
host.approve       all -   -   -   -   -   -
host.revoke        all -   -   -   -   -   -
roster.see         all all all all all all -
federation.see     all all own all -   -   -
federation.create  all -   -   -   -   -   -
federation.change  all -   -   -   -   -   -
federation.remove  all -   -   -   -   -   -
usage.see          all own own all -   -   -
audit.see          all -   own all -   -   -
audit.verify       all -   -   all -   -   -
audit.export       all -   -   all -   -   -
metrics.see        all -   -   -   -   -   -
"""
ROWS = {row.split()[0]: row.split()[1:] for row in EXPECTED.strip().splitlines()}


def test_the_table_is_this_one():
    found = {p.value: [str(TABLE[role].get(p, "-")) for role in COLUMNS] for p in Permission}
    assert found == ROWS


def test_every_operation_needs_a_permission():
    routes = {f"{r.method} {r.path}": r.permission for r in ROUTES}
    for anybody in FOR_ANYBODY:
        assert routes.pop(anybody) is ANYONE
    others = {f"GET {path}" for path in BARE - OPEN}
    others |= {"PUT /v1/objects", "POST /v1/objects/fetch", "GET /v1/objects/{digest}"}
    assert routes == {route: needed for route, needed in NEEDED.items() if route not in others}
    assert routes.keys() | others == NEEDED.keys()


@pytest.mark.parametrize("route", NEEDED)
def test_nobody_without_a_role_may_do_anything(route: str):
    assert scope_of(NEEDED[route], []) is None
    assert not may(NEEDED[route], [], own=True)


@pytest.mark.parametrize("role", [Role.SITE_OWNER, Role.AUDITOR])
def test_who_watches_takes_no_model_and_begins_nothing(role: Role):
    for permission in (P.RUN_PULL, P.OBJECT_GET, P.OBJECT_PUT, P.RUN_SUBMIT, P.RUN_STOP, P.RUN_REMOVE):
        assert not may(permission, [role], own=True)


@pytest.mark.parametrize(
    "permission",
    [
        P.NODE_INVITE,
        P.NODE_APPROVE,
        P.USER_INVITE,
        P.USER_APPROVE,
        P.USER_REVOKE,
        P.HOST_INVITE,
        P.HOST_APPROVE,
        P.HOST_REVOKE,
    ],
)
def test_only_an_administrator_lets_anybody_in_or_throws_them_out(permission: Permission):
    assert [role for role in Role if may(permission, [role], own=True)] == [Role.ADMINISTRATOR]


def test_no_user_may_speak_as_a_machine_and_no_machine_as_a_user():
    for role in ROLES_OF["user"]:
        for permission in (P.NODE_CALL, P.HOST_CALL, P.RUN_DRIVE):
            assert not may(permission, [role], own=True)
    for role in (Role.NODE, Role.HOST, Role.PROGRAM):
        for permission in P:
            if permission.value.split(".")[1] in (
                "invite",
                "approve",
                "revoke",
                "create",
                "change",
                "submit",
            ):
                assert not may(permission, [role], own=True)


def test_every_role_but_a_programs_can_be_granted_to_one_kind():
    granted = [role for roles in ROLES_OF.values() for role in roles]
    assert sorted(granted) == sorted(set(Role) - {Role.PROGRAM})


def test_roles_together_may_what_any_of_them_may():
    assert scope_of(P.RUN_SEE, [Role.SITE_OWNER, Role.SCIENTIST]) is Scope.ALL
    assert scope_of(P.USAGE_SEE, [Role.SCIENTIST, Role.SITE_OWNER]) is Scope.OWN
    assert scope_of(P.NODE_INVITE, [Role.SCIENTIST, Role.AUDITOR]) is None


def test_what_is_anothers_is_refused_with_the_rule():
    demand(P.RUN_STOP, [Role.SCIENTIST], own=True)
    demand(P.RUN_STOP, [Role.ADMINISTRATOR], own=False)
    with pytest.raises(
        IdentityError, match=r"scientist may not do this to what is another's: run.stop"
    ) as caught:
        demand(P.RUN_STOP, [Role.SCIENTIST], own=False)
    assert caught.value.code == "identity.forbidden"
    with pytest.raises(IdentityError, match=r"the role of auditor may not do this: run.pull"):
        demand(P.RUN_PULL, [Role.AUDITOR], own=True)
    with pytest.raises(IdentityError, match=r"the role of nobody may not do this: run.see"):
        demand(P.RUN_SEE, [], own=True)


def test_the_table_can_not_be_changed():
    with pytest.raises(TypeError):
        TABLE[Role.NODE] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        TABLE[Role.NODE][P.RUN_SEE] = Scope.ALL  # type: ignore[index]
