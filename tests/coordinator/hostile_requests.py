"""Requests by somebody hostile: sent again, cut off, changed, too deep, too large, to somebody else, on crooked paths."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec
from door_world import upload
from hostile_world import (
    ASKED,
    IN,
    LACK,
    MEMBERS,
    MIB,
    Send,
    as_json,
    deep,
    grant,
    joined,
    post,
    raw,
    request,
    saying,
    sha,
)
from identified_world import BUNDLE, HEART, LUNG, Said, Town, key

from atoll.store import digest_bytes

# -- replay --------------------------------------------------------------------------------------------------------------


def again(who: str, method: str, path: str, body: bytes = b"", **more: str) -> Send:
    """The very same request a second time, with other headers beside it."""

    def send(town: Town) -> Said:
        headers = town.signed(who, method, path, body)
        assert town.send(method, path, body, headers).status == 200
        return town.send(method, path, body, {**headers, **more})

    return send


def upper(town: Town) -> Said:
    headers = town.signed("ann", "GET", "/v1/me")
    assert town.send("GET", "/v1/me", b"", headers).status == 200
    return town.send("GET", "/v1/me", b"", {name.upper(): value for name, value in headers.items()})


def after_an_error(town: Town) -> Said:
    headers = town.signed("ann", "GET", "/v1/runs/nope")
    assert town.send("GET", "/v1/runs/nope", b"", headers).status == 404
    return town.send("GET", "/v1/runs/nope", b"", headers)


def of_anothers_statement(path: str, made: Callable[[Town], Any], who: str = "ann") -> Send:
    """A statement that somebody overheard, in a request of their own."""
    return lambda town: post(town, who, path, said=made(town))


REPLAY: dict[str, Send] = {
    "a question": again("ann", "GET", "/v1/runs"),
    "a message": again("ann", "POST", LACK, as_json({"federation": HEART, "objects": {}})),
    "by another agent": again("ann", "GET", "/v1/me", **{"user-agent": "other", "x-forwarded-for": "10.0.0.1"}),
    "under other capitals": upper,
    "what was refused": after_an_error,
    "by a program": again("program", "GET", "/v1/runs"),
    "an overheard revocation": of_anothers_statement(f"{IN}/revocations", lambda t: t.revocation("bob", by="chief")),
    "an overheard approval": of_anothers_statement(f"{IN}/approvals", lambda t: t.approval("bob", by="chief")),
    "an overheard approval by an administrator": of_anothers_statement(f"{IN}/approvals", lambda t: t.approval("bob"), "alma"),
    "a revocation for another federation": of_anothers_statement(
        f"/v1/federations/{LUNG}/revocations", lambda t: t.revocation("lena", HEART, by="rival"), "rival"),
    "an invitation taken up by another key": lambda t: post(t, "", "/v1/enrol", federation=HEART, join=joined("east", by="thief")),
}  # fmt: skip

# -- wrong digest --------------------------------------------------------------------------------------------------------


def digest(value: str, body: bytes = ASKED) -> Send:
    def send(town: Town) -> Said:
        headers = town.signed("ann", "POST", LACK, ASKED)
        return town.send("POST", LACK, body, {**headers, "content-digest": value})

    return send


def coded(body: bytes) -> str:
    return base64.b64encode(sha(body)).decode()


def damaged(town: Town) -> Said:
    """Bytes under the name of others: the answer says that nothing was stored."""
    path, name = f"/v1/objects?federation={HEART}", digest_bytes(b"what was promised")
    whole = upload([(name, 17, 0)], b"what came instead")
    return town.send("PUT", path, whole, town.signed("ann", "PUT", path, length=len(whole)))


DIGEST: dict[str, Send] = {
    "of another body": digest(f"sha-256=:{coded(b'other')}:"),
    "of another body, which comes": digest(f"sha-256=:{coded(b'other')}:", b"other"),
    "by another sum": digest(f"sha-512=:{coded(ASKED)}:"),
    "by two sums": digest(f"sha-256=:{coded(ASKED)}:, sha-512=:{coded(ASKED)}:"),
    "in hexadecimal": digest(f"sha-256=:{sha(ASKED).hex()}:"),
    "of nothing": digest(f"sha-256=:{coded(b'')}:"),
    "empty": digest(""),
    "of a bundle": lambda t: post(t, "ann", "/v1/runs", **t.new_run(HEART, bundle=digest_bytes(b"no bundle"))),
    "in capitals": lambda t: t.ask("ann", "GET", f"/v1/objects/{digest_bytes(BUNDLE).upper()}"),
    "too short": lambda t: t.ask("ann", "GET", f"/v1/objects/{digest_bytes(BUNDLE)[:-1]}"),
    "of a task": lambda t: post(t, "ann", LACK, federation=HEART, objects={"sha256:" + "g" * 64: 1}),
    "of an object": damaged,
}  # fmt: skip

# -- truncated -----------------------------------------------------------------------------------------------------------


def cut(keep: float, path: str = LACK, body: bytes = ASKED) -> Send:
    """A message that ends too early, whose signature fits what came."""
    part = body[: int(len(body) * keep)]
    return lambda town: town.ask("ann", "POST", path, part)


def shorter(town: Town) -> Said:
    """Less comes than was promised, and then nothing."""
    headers = {**town.signed("ann", "POST", LACK, ASKED), "Content-Length": str(len(ASKED))}
    return raw(town, request(town, "POST", LACK, headers, ASKED[:-5]), half=True)


def half_a_head(town: Town) -> Said:
    return raw(town, request(town, "GET", "/v1/me", town.signed("ann", "GET", "/v1/me"))[:-60], half=True)


def half_a_chunk(town: Town) -> Said:
    headers = {**town.signed("ann", "POST", LACK, ASKED), "Transfer-Encoding": "chunked"}
    return raw(town, request(town, "POST", LACK, headers) + b"10\r\n" + ASKED[:7], half=True)


def half_an_upload(town: Town) -> Said:
    path, whole = f"/v1/objects?federation={HEART}", upload([("sha256:" + "0" * 64, 5, 0)], b"12345")[:30]
    return town.send("PUT", path, whole, town.signed("ann", "PUT", path, length=len(whole)))


def half_a_statement(town: Town) -> Said:
    said = msgspec.to_builtins(grant())
    return post(town, "chief", f"{IN}/invitations", grant={**said, "body": said["body"][:-10]})


TRUNCATED: dict[str, Send] = {
    "a message at its beginning": cut(0.1),
    "a message in its middle": cut(0.5),
    "a message before its end": lambda town: town.ask("ann", "POST", LACK, ASKED[:-1]),
    "an enrolment": cut(0.6, "/v1/enrol", as_json({"federation": HEART, "join": joined("invited")})),
    "less than was promised": shorter,
    "a head": half_a_head,
    "a chunk": half_a_chunk,
    "an upload": half_an_upload,
    "a statement": half_a_statement,
    "a signature": lambda t: post(t, "chief", f"{IN}/invitations", grant={**msgspec.to_builtins(grant()), "signature": "A" * 40}),
    "one half of two": lambda t: post(t, "", "/v1/enrol", federation=HEART, join={"first": joined("invited").first}),
}  # fmt: skip

# -- deep JSON -----------------------------------------------------------------------------------------------------------

PIT = deep(400_000)
SHAFT = deep(150_000, '{"a":', "}").replace(b":}", b":1}", 1)


def inside(path: str, before: bytes, pit: bytes, after: bytes, who: str = "ann") -> Send:
    return lambda town: town.ask(who, "POST", path, before + pit + after)


def deep_statement(kind: str, path: str, who: str = "chief") -> Send:
    said = saying(kind, deep(30_000), who)
    return lambda town: post(town, who, path, **{"grant" if kind == "grant" else "said": said})


DEEP: dict[str, Send] = {
    "lists": lambda town: town.ask("ann", "POST", LACK, PIT),
    "mappings": lambda town: town.ask("ann", "POST", LACK, SHAFT),
    "what was never closed": lambda town: town.ask("ann", "POST", LACK, b"[" * 900_000),
    "in a field that may hold anything": inside("/v1/runs", b'{"federation":"heart","bundle":"sha256:' + b"0" * 64 + b'","app":{"a":', PIT, b"}}"),
    "in a field that is unknown": inside(LACK, b'{"federation":"heart","objects":{},"x":', PIT, b"}"),
    "in what is open to anybody": inside("/v1/enrol", b'{"federation":"heart","join":', deep(200_000), b"}", ""),
    "in the first link": inside("/v1/roots", b'{"join":', deep(200_000), b"}", ""),
    "in a signed invitation": deep_statement("grant", f"{IN}/invitations"),
    "in a signed revocation": deep_statement("revocation", f"{IN}/revocations"),
    "in an order": inside("/v1/runs", b'{"federation":"heart","order":', PIT, b"}"),
    "in the list of an upload": lambda t: t.send("PUT", f"/v1/objects?federation={HEART}", *_bulk(t, len(PIT).to_bytes(8, "little") + PIT)),
}  # fmt: skip


def _bulk(town: Town, whole: bytes) -> tuple[bytes, dict[str, str]]:
    return whole, town.signed("ann", "PUT", f"/v1/objects?federation={HEART}", length=len(whole))


# -- huge headers --------------------------------------------------------------------------------------------------------


def header(name: str, value: str, who: str = "ann") -> Send:
    def send(town: Town) -> Said:
        headers = town.signed(who, "GET", "/v1/me") if who else {}
        return raw(town, request(town, "GET", "/v1/me", {**headers, name: value}))

    return send


def many(town: Town) -> Said:
    more = {f"x-{n}": "y" * 20 for n in range(5_000)}
    return raw(town, request(town, "GET", "/v1/me", more))


HUGE: dict[str, Send] = {
    "a signature": header("signature", f"atoll=:{'A' * 60_000}:"),
    "what is signed": header("signature-input", 'atoll=("@method")' + ";x=1" * 15_000),
    "an audience": header("atoll-audience", "k-" + "a" * 60_000),
    "a length": header("content-length", "9" * 4_000),
    "a token": header("authorization", "Bearer " + "x" * 60_000, ""),
    "a megabyte": header("x-anything", "y" * MIB, ""),
    "thousands": many,
    "a path": lambda t: t.ask("ann", "GET", "/v1/runs/" + "r" * 30_000),
    "a query": lambda t: t.ask("ann", "GET", "/v1/runs/nope/shelf?" + "&".join(f"keys={n}" for n in range(4_000))),
    "a line that never ends": lambda t: raw(t, b"GET /" + b"x" * 2 * MIB),
    "a nonce": header("signature-input", 'atoll=("@method" "@path" "@query" "atoll-audience");created=1;nonce="' + "n" * 60_000 + '"'),
}  # fmt: skip

# -- wrong audience ------------------------------------------------------------------------------------------------------


def audience(value: str) -> Send:
    """Signed for this coordinator, and sent as if for another, or the other way round."""
    return lambda t: t.send(
        "GET", "/v1/me", b"", {**t.signed("ann", "GET", "/v1/me"), "atoll-audience": value}
    )


AUDIENCE: dict[str, Send] = {
    "another coordinator's": lambda t: t.ask("ann", "GET", "/v1/me", audience=key("another coordinator").id),
    "one's own": lambda t: t.ask("ann", "GET", "/v1/me", audience=key("ann").id),
    "that of a federation's root": lambda t: t.ask("ann", "GET", "/v1/me", audience=key("chief").id),
    "turned to this one": lambda t: t.send("GET", "/v1/me", b"", {
        **t.signed("ann", "GET", "/v1/me", audience=key("other").id), "atoll-audience": t.audience}),
    "turned to another one": audience(key("other").id),
    "in capitals": lambda t: audience(t.audience.upper())(t),
    "with something behind it": lambda t: audience(f"{t.audience}, {t.audience}")(t),
    "missing": lambda t: t.send("GET", "/v1/me", b"", {
        n: v for n, v in t.signed("ann", "GET", "/v1/me").items() if n != "atoll-audience"}),
    "of an upload": lambda t: t.send("PUT", f"/v1/objects?federation={HEART}", b"x" * 9, t.signed(
        "ann", "PUT", f"/v1/objects?federation={HEART}", length=9, audience=key("other").id)),
}  # fmt: skip

# -- path confusion ------------------------------------------------------------------------------------------------------

PATHS = (
    "/v1%2Ffederations%2Fheart%2Fmembers", "/v1/federations/heart%2fmembers", "/v1/./federations/heart/members", "/v1/runs/../federations/heart/members",
    "/v1/runs/%2e%2e/federations/heart/members", "/v1//federations/heart/members", "//v1/federations/heart/members", "/V1/federations/heart/members",
    "/v1/FEDERATIONS/heart/members", "/v1/federations/HEART/members", "/v1/federations/heart/members.", "/v1/federations/heart./members",
    "/v1/federations/heart/members/", "/v1/federations/heart;x=1/members", "/v1/federations/heart/members%00", "/v1/federations/heart/members%20",
    "/v1\\federations\\heart\\members", "/v1/federations/heart/members%3fx", "/v1/federations/heart/members#x", "/healthz/../v1/federations/heart/members",
    "/healthz%2f..%2fv1%2ffederations%2fheart%2fmembers", "/healthz/v1/federations/heart/members", "/v1/about/../federations/heart/members",
    "/openapi.json/../v1/federations/heart/members", "/%76%31/federations/heart/members", "/v1/federations/heart%252fmembers",
    "http://127.0.0.1/v1/federations/heart/members", "http://evil.example/v1/federations/heart/members", "HTTP://x//v1/federations/heart/members",
    "http://x/healthz/../v1/federations/heart/members", "*", "v1/federations/heart/members", "127.0.0.1:443", "/v1/federations/heart/members?", "/..",
    "/v1/federations/heart/%6dembers", "/v1/federations/%68eart/members", "/v1/federations/heart/members%0d%0ax: y", "/v1/federations/heart/members%ff",
)  # fmt: skip


def by_path(target: str) -> Send:
    """As nobody, as a scientist and as a node: none of them may see who is on a roster. The worst answer of all."""

    def send(town: Town) -> Said:
        found = [raw(town, request(town, "GET", target, {}))]
        for who in ("ann", "west"):
            for signed in (MEMBERS, "/v1/me", "/healthz"):
                found.append(raw(town, request(town, "GET", target, town.signed(who, "GET", signed))))
        assert not any(b"audrey" in said.body for said in found)
        return min(found, key=lambda said: said.status or 400)

    return send


PATH: dict[str, Send] = {target: by_path(target) for target in PATHS}
for _method in ("CONNECT", "TRACE", "OPTIONS", "HEAD", "get", "GET\t", "PRI"):
    PATH[f"by {_method!r}"] = lambda t, m=_method: raw(
        t, request(t, m, MEMBERS, t.signed("ann", "GET", MEMBERS))
    )  # type: ignore[misc]
