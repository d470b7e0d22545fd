"""What somebody hostile may say: in names that look alike, out of its time, as somebody else, changed, about what is another's."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec
from hostile_world import (
    ASKED,
    IN,
    LACK,
    MEMBERS,
    Send,
    as_json,
    changed,
    deep,
    grant,
    joined,
    post,
    raw,
    request,
    saying,
)
from identified_world import HEART, LUNG, Said, Town, key

from atoll.identity import Approval, AuditLog, Both, Revocation, Rotation, sign, sign_both

# -- unicode tricks ------------------------------------------------------------------------------------------------------

NAMES = {"turned around": "\u202ereh\u202c", "of no width": "he\u200bart", "looking alike": "he\u0430rt", "full width": "\uff48eart",
         "with a zero": "heart\x00", "with a line's end": "heart\n", "combined": "hear\u0301t", "a tag": "heart\U000e0041"}  # fmt: skip


def called(name: str) -> Send:
    body = json.dumps(
        {**json.loads(grant().body), "name": name}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return lambda town: post(town, "chief", f"{IN}/invitations", grant=saying("grant", body, "chief"))


UNICODE: dict[str, Send] = {
    **{f"an invitation {how}": called(name) for how, name in NAMES.items()},
    **{f"a federation {how}": (lambda t, n=name: post(t, "operator", "/v1/federations", name=n)) for how, name in NAMES.items()},
    **{f"a run {how}": (lambda t, n=name: post(t, "ann", "/v1/runs", **t.new_run(n))) for how, name in NAMES.items()},
    "half a character": lambda t: t.ask("ann", "POST", LACK, b'{"federation":"\\ud800","objects":{}}'),
    "overlong": lambda t: t.ask("ann", "POST", LACK, b'{"federation":"\xc0\xafheart","objects":{}}'),
    "other bytes": lambda t: t.ask("ann", "POST", LACK, b'{"federation":"\xff\xfe","objects":{}}'),
    "a mark at the beginning": lambda t: t.ask("ann", "POST", LACK, b"\xef\xbb\xbf" + ASKED),
    "another coding": lambda t: t.ask("ann", "POST", LACK, ASKED.decode().encode("utf-16")),
    "digits of another script": lambda t: t.ask("ann", "GET", "/v1/runs/nope/events?after=%D9%A1"),
    "a path that is turned around": lambda t: t.ask("ann", "GET", "/v1/federations/%E2%80%AEheart"),
    "a path that is no text": lambda t: raw(t, request(t, "GET", "/v1/runs/%ff%fe", t.signed("ann", "GET", "/v1/runs/x"))),
    "a key of full width": lambda t: raw(t, request(t, "GET", "/v1/me", {
        **(h := t.signed("ann", "GET", "/v1/me")), "signature-input": h["signature-input"].replace("keyid=\"k-", "keyid=\"\uff4b-")})),
}  # fmt: skip

# -- expired -------------------------------------------------------------------------------------------------------------


def invited(**other: Any) -> Send:
    return lambda t: post(t, "chief", f"{IN}/invitations", grant=grant(**other))


NOW = int(time.time())
EXPIRED: dict[str, Send] = {
    "a request of yesterday": lambda t: t.ask("ann", "GET", "/v1/me", now=lambda: time.time() - 86_400),
    "a request of tomorrow": lambda t: t.ask("ann", "GET", "/v1/me", now=lambda: time.time() + 86_400),
    "a request before the coordinator was": lambda t: t.ask("ann", "GET", "/v1/me", now=lambda: 1_000.0),
    "a request of the year 9999": lambda t: t.ask("ann", "GET", "/v1/me", now=lambda: 99_999_999_999.0),
    "an invitation": invited(issued=NOW - 900, expires=NOW - 1),
    "an invitation that never ends": invited(expires=NOW + 400 * 86_400),
    "an invitation of the future": invited(issued=NOW + 7_200, expires=NOW + 9_000),
    "a join of long ago": lambda t: post(t, "", "/v1/enrol", federation=HEART, join=joined("invited", ago=5_000)),
    "a join of the future": lambda t: post(t, "", "/v1/enrol", federation=HEART, join=joined("invited", ago=-5_000)),
    "an approval of long ago": lambda t: post(t, "chief", f"{IN}/approvals", said=sign(
        Approval(key=key("east").id, federation=HEART, time=NOW - 90_000), key("chief"))),
    "a code that nobody has any more": lambda t: post(t, "chief", f"{IN}/invitations", grant=grant(key=key("x").id), code="AAAA-AAAA",
                                                      seed="A" * 43),
}  # fmt: skip

# -- swapped identity ----------------------------------------------------------------------------------------------------


def named(other: str, path: str = "/v1/me") -> Send:
    """Ann signs, and says that somebody else did."""

    def send(town: Town) -> Said:
        headers = town.signed("ann", "GET", path)
        swapped = headers["signature-input"].replace(key("ann").id, key(other).id)
        return town.send("GET", path, b"", {**headers, "signature-input": swapped})

    return send


def by(signed: Any, other: str) -> dict[str, Any]:
    return {**msgspec.to_builtins(signed), "by": key(other).public.text}


SWAPPED: dict[str, Send] = {
    "of a colleague": named("bob"),
    "of the administrator": named("chief", MEMBERS),
    "of the coordinator's host": named("beside"),
    "of a program": named("program"),
    "of whoever is nobody": named("stranger"),
    "an invitation by who is none": lambda t: post(t, "ann", f"{IN}/invitations", grant=grant(by="ann")),
    "another's invitation": lambda t: post(t, "alma", f"{IN}/invitations", grant=grant(by="chief")),
    "an invitation in another's name": lambda t: post(t, "chief", f"{IN}/invitations", grant=by(grant(by="ann"), "chief")),
    "the two halves of a join": lambda t: post(t, "", "/v1/enrol", federation=HEART, join=Both(joined("invited").second, joined("invited").first)),
    "one half of two joins": lambda t: post(t, "", "/v1/enrol", federation=HEART, join=Both(joined("invited").first, joined("other").second)),
    "a join for another key": lambda t: post(t, "", "/v1/enrol", federation=HEART, join=Both(
        joined("invited").first, msgspec.convert(by(joined("invited").second, "thief"), type(joined().first)))),
    "another's key": lambda t: post(t, "ann", "/v1/me/rotation", said=sign_both(
        Rotation(old=key("bob").id, new=key("new").public.text, time=int(time.time())), key("bob"), key("new"))),
    "another's key, without it": lambda t: post(t, "ann", "/v1/me/rotation", said=sign_both(
        Rotation(old=key("bob").id, new=key("new").public.text, time=int(time.time())), key("ann"), key("new"))),
    "a member's key for a program's": lambda t: post(t, "ann", f"/v1/runs/{t.runs['ann']}/key", key=key("bob").public.text),
}  # fmt: skip

# -- tampered roster -----------------------------------------------------------------------------------------------------


def tampered(**fields: Any) -> Send:
    return lambda t: post(t, "chief", f"{IN}/invitations", grant=changed(grant(), **fields))


def both_changed(**fields: Any) -> dict[str, Any]:
    both = joined("invited")
    return {"first": changed(both.first, **fields), "second": changed(both.second, **fields)}


def signed_otherwise(text: Callable[[str], str]) -> Send:
    """Truly signed, in another form than the one there is."""
    return lambda t: post(t, "chief", f"{IN}/invitations", grant=saying("grant", text(grant().body), "chief"))


TAMPERED: dict[str, Send] = {
    "another role": tampered(kind="user", roles=["administrator"]),
    "another name": tampered(name="another"),
    "another federation": tampered(federation=LUNG),
    "another token": tampered(token=key("of a thief").public.text),
    "another end": tampered(expires=NOW + 86_400),
    "another key that joins": lambda t: post(t, "", "/v1/enrol", federation=HEART, join=both_changed(key=key("thief").public.text)),
    "another who is revoked": lambda t: post(t, "chief", f"{IN}/revocations", said=changed(t.revocation("bob"), key=key("ann").id)),
    "another who is approved": lambda t: post(t, "chief", f"{IN}/approvals", said=changed(t.approval("bob"), key=key("thief").id)),
    "another kind of word": lambda t: post(t, "chief", f"{IN}/approvals", said={**msgspec.to_builtins(t.revocation("bob")), "kind": "approval"}),
    "a word that stands twice": signed_otherwise(lambda text: text.replace('"kind":"node"', '"kind":"node","kind":"user"')),
    "a word too many": signed_otherwise(lambda text: text[:-1] + ',"zzz":1}'),
    "spaces": signed_otherwise(lambda text: text.replace(":", ": ")),
    "a number in another form": signed_otherwise(lambda text: text.replace('"issued":', '"issued":0.0e0')),
    "the root revoked": lambda t: post(t, "alma", f"{IN}/revocations", said=t.revocation("chief", by="alma")),
    "a revocation by who may not": lambda t: post(t, "ann", f"{IN}/revocations", said=t.revocation("bob", by="ann")),
    "another root": lambda t: post(t, "", "/v1/roots", join=joined("admin", by="thief")),
}  # fmt: skip

# -- forged checkpoint ---------------------------------------------------------------------------------------------------


def mark(signer: str, **fields: Any) -> dict[str, Any]:
    """A checkpoint of a log of somebody's."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder, AuditLog(os.path.join(folder, "log"), of=key(signer).id) as log:  # type: ignore[arg-type]
        log.append("something", key(signer).id)
        found: dict[str, Any] = msgspec.to_builtins(log.checkpoint(key(signer)))
    return {**found, **fields}


def polled(made: Callable[[], Any]) -> Send:
    def send(town: Town) -> Said:
        town.desk.records._kept.clear()
        body = {
            "name": "east",
            "session": int(town.runs["session"]),
            "free": 0,
            "wait": 0,
            "checkpoint": made(),
        }
        said = town.ask("east", "POST", "/v1/node/poll", body)
        town.do(lambda: _settled(town))
        return said

    return send


async def _settled(town: Town) -> None:
    import asyncio

    await asyncio.gather(*town.desk.records._tasks)


FORGED: dict[str, Send] = {
    "of another node": polled(lambda: mark("west")),
    "of a stranger": polled(lambda: mark("stranger")),
    "in another's name": polled(lambda: by(msgspec.convert(mark("west"), type(grant())), "east")),
    "with another body": polled(lambda: mark("east", body=mark("east")["body"].replace('"n":1', '"n":7'))),
    "of another kind": polled(lambda: mark("east", kind="order")),
    "an invitation": polled(lambda: msgspec.to_builtins(grant(by="east"))),
    "of another log by this key": polled(lambda: saying("checkpoint", mark("west")["body"], "east")),
    "without a signature": polled(lambda: mark("east", signature="")),
    "nonsense": polled(lambda: {"kind": "checkpoint", "body": "{", "by": "x", "signature": "y"}),
    "deep": polled(lambda: saying("checkpoint", deep(3_000), "east")),
    "no checkpoint at all": polled(lambda: [1, 2, 3]),
}

# -- ids of others -------------------------------------------------------------------------------------------------------


def of_lena(method: str, path: str, who: str = "ann", **body: Any) -> Send:
    return lambda t: t.ask(who, method, path.format(run=t.runs["lena"]), as_json(body) if body else b"")


OTHERS: dict[str, Send] = {
    "a run that is read": of_lena("GET", "/v1/runs/{run}"),
    "a run that is removed": of_lena("DELETE", "/v1/runs/{run}"),
    "a run that is stopped by an administrator": of_lena("POST", "/v1/runs/{run}/stop", "chief"),
    "a run that is attended": of_lena("POST", "/v1/runs/{run}/attend", "program", where="here"),
    "a run that is driven with a guess": of_lena("POST", "/v1/runs/{run}/say", "program", fence=1, at=0),
    "a run that is given a key": of_lena("POST", "/v1/runs/{run}/key", key=key("p").public.text),
    "a run that is ended by a host": of_lena("POST", "/v1/host/ended", "harbour", name="beside", session=1, run="x", how="failed"),
    "a run of the same id": lambda t: post(t, "ann", "/v1/runs", **t.new_run(HEART, id=t.runs["lena"])),
    "a session of another node": lambda t: post(t, "west", "/v1/node/poll", name="east", session=10**6, wait=0),
    "a session of another's node": lambda t: post(t, "olga", "/v1/node/poll", name="east", session=1, wait=0),
    "lines for another's run": lambda t: post(t, "south", "/v1/node/lines", name="east", session=10**6, lines=[[t.runs["ann"], "info", "x"]]),
    "a member of another federation": lambda t: post(t, "chief", f"/v1/federations/{LUNG}/revocations", said=sign(
        Revocation(key=key("lena").id, federation=LUNG, time=int(time.time())), key("chief"))),
    "a colleague's run": lambda t: t.ask("bob", "DELETE", f"/v1/runs/{t.runs['ann']}"),
    "the log of all": lambda t: t.ask("audrey", "GET", "/v1/audit/export"),
}  # fmt: skip
