"""Issuers of identities (OpenID Connect): what one says of itself, and small documents fetched from it, bounded.

Doesn't know what an identity is good for here. TLS with the system's authorities, but to this machine; redirects aren't followed.
"""

from __future__ import annotations

import ipaddress
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

import msgspec

from atoll.values import AtollError

PATIENCE = 10.0  # seconds for an issuer that doesn't answer
MOST = 1 << 20  # bytes of what it answers
WELL_KNOWN = "/.well-known/openid-configuration"
T = TypeVar("T")


class IssuerError(AtollError):
    """An issuer can't be reached, or says what can't be used."""


class Discovery(msgspec.Struct, frozen=True):
    """What an issuer says of itself (OpenID Connect Discovery 1.0, RFC 8628 section 4)."""

    issuer: str
    jwks_uri: str
    token_endpoint: str = ""
    device_authorization_endpoint: str = ""


def discover(url: str) -> Discovery:
    """Ask an issuer where its keys and endpoints are. Raises `IssuerError` (`oidc.issuer-down`, `oidc.bad-issuer`)."""
    check_issuer(url)
    found = fetch_issuer(url.rstrip("/") + WELL_KNOWN, Discovery)
    if found.issuer != url:
        message = f"{url} calls itself {found.issuer!r:.200}"
        raise IssuerError("oidc.bad-issuer", message, f"--oidc-issuer {url} has to be what it calls itself")
    for each in (found.jwks_uri, found.token_endpoint, found.device_authorization_endpoint):
        if each and (not _safe(each) or (is_local(each) and not is_local(url))):
            message = f"{url} names {each!r:.200}, which isn't https"
            raise IssuerError("oidc.bad-issuer", message, "tell its administrator")
    return found


def check_issuer(url: str) -> None:
    """Whether that can be an issuer. Raises `IssuerError` (`oidc.bad-issuer`)."""
    parts = urlsplit(url) if _safe(url) else None
    if parts is None or parts.query or parts.fragment:
        message = f"{url!r:.200} is no URL of an issuer"
        raise IssuerError("oidc.bad-issuer", message, "--oidc-issuer https://id.example.org, without ? and #")


def is_local(url: str) -> bool:
    """Whether that is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def fetch_issuer(url: str, kind: type[T]) -> T:
    """Get a document. Raises `IssuerError`."""
    return _read(url, *_ask(Request(url, headers={"accept": "application/json"})), kind)


def post_form(url: str, form: dict[str, str]) -> tuple[int, bytes]:
    """Send a form; the status and what was answered. Raises `IssuerError` (`oidc.issuer-down`)."""
    body = urlencode(form).encode("ascii")
    headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    return _ask(Request(url, data=body, headers=headers, method="POST"))


def _read(url: str, status: int, body: bytes, kind: type[T]) -> T:
    if status != 200:
        raise _down(url, f"it answered {status}")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        message = f"what {url} answered can't be read: {error}"
        raise IssuerError("oidc.bad-issuer", message, "tell its administrator") from error


def _ask(request: Request) -> tuple[int, bytes]:
    url = request.full_url
    try:
        try:
            answer: HTTPResponse | HTTPError = _opener(url).open(request, timeout=PATIENCE)
        except HTTPError as error:
            answer = error
        with answer:
            body = answer.read(MOST + 1)
    except (OSError, HTTPException) as error:
        raise _down(url, str(getattr(error, "reason", error) or type(error).__name__)) from error
    if len(body) > MOST:
        raise IssuerError(
            "oidc.bad-issuer", f"{url} answered more than {MOST:,} bytes", "tell its administrator"
        )
    return int(answer.status or 0), body


def _down(url: str, why: str) -> IssuerError:
    """An issuer doesn't answer as it should."""
    host = urlsplit(url).netloc
    mend = f"see whether https://{host} works and can be reached from here; or log in with a code: atoll login URL --code"
    return IssuerError("oidc.issuer-down", f"the issuer {host} can't be asked just now: {why:.200}", mend)


class _Stay(HTTPRedirectHandler):
    """Nobody is sent elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(url: str) -> OpenerDirector:
    return build_opener(_Stay, *([ProxyHandler({})] if is_local(url) else []))


def _safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= 2_000
    found = bool(parts.hostname) and not parts.username
    return plain and found and (parts.scheme == "https" or (parts.scheme == "http" and is_local(url)))
