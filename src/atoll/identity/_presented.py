"""What a request says of who made it, in the headers of RFC 9421 and RFC 9530, and the text that they sign.

Doesn't know keys, clocks or what was asked before: nothing that is read here is checked yet.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final
from urllib.parse import quote, unquote

from atoll.identity._errors import IdentityError

AUDIENCE = "atoll-audience"
_ALWAYS = {"@method", "@path", "@query", AUDIENCE}
_COVERED = (_ALWAYS, _ALWAYS | {"content-digest"}, _ALWAYS | {"content-length"})
_PARAMETERS = {"created", "nonce", "keyid", "tag"}
_KEY_ID = re.compile(r"k-[a-z2-7]{32}")
_INPUT = re.compile(
    r'atoll=(?P<parameters>\((?P<covered>"[a-z@-]+"(?: "[a-z@-]+")*)\)'
    r'(?P<rest>(?:;[a-z]+=(?:[0-9]+|"[A-Za-z0-9_-]+"))+))'
)
_CREATED = re.compile(r"[1-9][0-9]{0,10}")
_NONCE = re.compile(r'"[A-Za-z0-9_-]{16,64}"')
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_SIGNATURE = re.compile(r"atoll=:([A-Za-z0-9+/]{86}==):")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,15}")
_METHOD = re.compile(r"[A-Z]{1,16}")
_PLAIN = re.compile(r"/[A-Za-z0-9_./~-]*")
_QUERY = re.compile(r"[\x21-\x7e]*")
_LONGEST = {
    "signature-input": 512,
    "signature": 128,
    "content-digest": 64,
    "content-length": 16,
    AUDIENCE: 34,
}


class Headers(Protocol):
    """The headers of a request: all values of one name, however it is written."""

    def get_all(self, name: str, /) -> Sequence[str] | None: ...


@final
@dataclass(frozen=True, slots=True)
class Presented:
    """What a request says of itself; nothing of it is checked yet."""

    key: str
    audience: str
    created: int
    nonce: str
    signature: bytes
    parameters: str  # as they were written
    covered: tuple[
        tuple[str, str], ...
    ]  # components and their values, which the request line's have elsewhere
    digest: bytes | None = None
    length: int | None = None

    def text(self, method: str, path: str, query: str) -> bytes:
        """What they must have signed, were it a request of this method, path and query."""
        return signed_text(self.covered, self.parameters, method, written(path), query)


def read_signature(headers: Headers) -> Presented:
    """What a request's headers say of who made it, strictly.

    Raises `IdentityError`: `request.no-signature` when they say nothing, `request.malformed-signature`.
    """
    texts = {name: _only(headers.get_all(name), name, most) for name, most in _LONGEST.items()}
    if not texts["signature-input"] and not texts["signature"]:
        message = "the request is not signed"
        raise IdentityError("request.no-signature", message, "enrol: atoll node join, or atoll login")
    found = _INPUT.fullmatch(texts["signature-input"])
    signature = _SIGNATURE.fullmatch(texts["signature"])
    if not found or not signature or not _KEY_ID.fullmatch(texts[AUDIENCE]):
        raise _malformed("its headers are not Atoll's")
    parameters = _read_parameters(found["rest"])
    names = found["covered"].replace('"', "").split(" ")
    if set(names) not in _COVERED or len(set(names)) != len(names):
        raise _malformed("it covers too much or too little")
    return Presented(
        key=parameters["keyid"][1:-1],
        audience=texts[AUDIENCE],
        created=int(parameters["created"]),
        nonce=parameters["nonce"][1:-1],
        signature=_raw(signature[1]),
        parameters=found["parameters"],
        covered=tuple((name, texts.get(name, "")) for name in names),
        digest=_digest(texts["content-digest"], "content-digest" in names),
        length=_length(texts["content-length"]) if "content-length" in names else None,
    )


def _only(values: Sequence[str] | None, name: str, most: int) -> str:
    """The one value of a header; "" when there is none."""
    if not values:
        return ""
    if len(values) > 1 or not values[0] or len(values[0]) > most:
        raise _malformed(f"`{name}` stands twice, or is empty or too long")
    return values[0]


def _read_parameters(text: str) -> dict[str, str]:
    pairs = [part.split("=", 1) for part in text[1:].split(";")]
    found = dict(pairs)
    if found.pop("alg", '"ed25519"') != '"ed25519"' or found.keys() != _PARAMETERS:
        raise _malformed("its parameters are created, nonce, keyid and tag")
    fit = (
        len({name for name, _ in pairs}) == len(pairs)
        and found["tag"] == '"atoll"'
        and _CREATED.fullmatch(found["created"])
        and _NONCE.fullmatch(found["nonce"])
        and _KEY_ID.fullmatch(found["keyid"][1:-1])
    )
    if not fit:
        raise _malformed("a parameter is out of range")
    return found


def _digest(text: str, covered: bool) -> bytes | None:
    if bool(text) != covered:
        raise _malformed("a digest of the body is signed, and there, or neither")
    if not covered:
        return None
    found = _DIGEST.fullmatch(text)
    if not found:
        raise _malformed("`content-digest` is one SHA-256")
    return _raw(found[1])


def _length(text: str) -> int:
    if not _LENGTH.fullmatch(text):
        raise _malformed("`content-length` is signed, and no number")
    return int(text)


def signed_text(
    covered: Sequence[tuple[str, str]], parameters: str, method: str, path: str, query: str
) -> bytes:
    """What is signed: RFC 9421, section 2.5. No value has a line's end in it, so that nothing can pass for another."""
    if not _METHOD.fullmatch(method) or not _QUERY.fullmatch(query):
        raise _malformed("method or query have characters that don't travel")
    line = {"@method": method, "@path": path, "@query": f"?{query}"}
    lines = [f'"{name}": {line.get(name, value)}\n' for name, value in covered]
    return f'{"".join(lines)}"@signature-params": {parameters}'.encode("ascii")


def decoded(path: str) -> str:
    if "%" not in path:
        return path
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise _malformed("the path is no UTF-8") from None


def written(path: str) -> str:
    """The one way to write a path: section 2.2.6, and RFC 3986, section 6.2.2."""
    if _PLAIN.fullmatch(path):
        return path
    try:
        written = quote(path, safe="/-._~!$&'()*+,;=:@")
    except UnicodeEncodeError:
        raise _malformed("the path is no text") from None
    if not written.startswith("/"):
        raise _malformed("a path begins with /")
    return written


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _raw(text: str) -> bytes:
    """The bytes of a base64 text of the right length, which there is one way to write."""
    raw = base64.b64decode(text, validate=True)
    if base64_of(raw) != text:
        raise _malformed("its base64 has bits that stand for nothing")
    return raw


def _malformed(why: str) -> IdentityError:
    message = f"the request's signature can't be read: {why}"
    return IdentityError("request.malformed-signature", message, "sign as docs/design/security.md tells")
