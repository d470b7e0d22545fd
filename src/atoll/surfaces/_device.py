"""A login at an issuer from a machine without a browser: OAuth 2.0's device flow (RFC 8628).

Doesn't know what the token is for. The protocol has the issuer asked again and again, as slowly as it says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from atoll.wire import Issuer, IssuerError, discover, is_local, post_form

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER = 5.0  # seconds more between two questions, when the issuer asks for that
SLOWEST, LONGEST = 60.0, 3_600.0  # seconds
_CODE = re.compile(r"[\x20-\x7e]{1,64}")
_URL = re.compile(r"https?://[\x21-\x7e]{1,1000}")
T = TypeVar("T")


class Authorization(msgspec.Struct, frozen=True):
    """What the issuer answers at first (RFC 8628, section 3.2)."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: float
    interval: float = 5.0


class Tokens(msgspec.Struct, frozen=True):
    """What it answers in the end."""

    id_token: str = ""


class Failed(msgspec.Struct, frozen=True):
    """Or until then."""

    error: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How this waits, and by which clock; tests pass others."""

    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


def log_in(
    issuer: Issuer, nonce: str, *, tell: Callable[[str, str], None], patience: Patience | None = None
) -> str:
    """An ID token of whoever logs in, made out for a nonce where the issuer can; `tell` is given an address and a code.

    Raises `IssuerError` (`oidc.issuer-down`, `oidc.bad-issuer`, `oidc.denied`, `oidc.too-late`).
    """
    found = discover(issuer.issuer)
    if not found.device_authorization_endpoint or not found.token_endpoint:
        message = f"{issuer.issuer} has no device flow (RFC 8628)"
        raise IssuerError("oidc.bad-issuer", message, "log in with a code: atoll login URL --code")
    form = {"client_id": issuer.client, "scope": "openid email", "nonce": nonce}
    status, body = post_form(found.device_authorization_endpoint, form)
    if status != 200:
        raise _refused(found.device_authorization_endpoint, status, body)
    began = _decoded(body, Authorization)
    if not _CODE.fullmatch(began.user_code) or not _URL.fullmatch(began.verification_uri):
        raise _unreadable("its code, or its address, can't be shown")
    tell(began.verification_uri, began.user_code)
    return _awaited(found.token_endpoint, issuer.client, began, patience or Patience())


def _awaited(endpoint: str, client: str, began: Authorization, patience: Patience) -> str:
    """Ask until somebody has logged in (RFC 8628, section 3.5)."""
    form = {"grant_type": GRANT, "device_code": began.device_code, "client_id": client}
    interval, end = max(1.0, began.interval), patience.clock() + min(began.expires_in, LONGEST)
    while True:
        patience.wait(min(interval, SLOWEST))
        if patience.clock() >= end:
            raise _too_late()
        try:
            status, body = post_form(endpoint, form)
        except IssuerError as error:
            if error.code != "oidc.issuer-down":
                raise
            interval *= 2  # as the RFC has it
            continue
        if status == 200:
            return _token(body)
        interval += _slower(endpoint, status, body)


def _slower(endpoint: str, status: int, body: bytes) -> float:
    """By how much to wait longer, when nobody has logged in yet; anything else is raised."""
    error = _decoded(body, Failed).error if status < 500 else ""
    if error == "authorization_pending":
        return 0.0
    if error == "slow_down" or status >= 500:
        return SLOWER
    if error == "access_denied":
        raise IssuerError(
            "oidc.denied", "the login was refused at the issuer", "log in again: atoll login URL"
        )
    if error == "expired_token":
        raise _too_late()
    raise _refused(endpoint, status, body)


def _token(body: bytes) -> str:
    token = _decoded(body, Tokens).id_token
    if not token:
        raise _unreadable("it gave no ID token")
    return token


def check_near(issuer: Issuer, url: str) -> None:
    """Whether a coordinator may send its users there: nobody far away names an issuer on one's own machine. Raises `IssuerError`."""
    if is_local(issuer.issuer) and not is_local(url):
        message = f"{url} names an issuer on this machine: {issuer.issuer!r:.200}"
        raise IssuerError(
            "oidc.bad-issuer",
            message,
            "tell its administrator; or log in with a code: atoll login URL --code",
        )


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _unreadable("its answer can't be read") from error


def _refused(endpoint: str, status: int, body: bytes) -> IssuerError:
    try:
        why = msgspec.json.decode(body, type=Failed).error
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        why = ""
    message = f"{endpoint} answered {status} {why!r:.100}"
    return IssuerError(
        "oidc.bad-issuer", message, "see whether the client is registered there with the device flow"
    )


def _unreadable(why: str) -> IssuerError:
    return IssuerError("oidc.bad-issuer", f"the issuer can't be used: {why}", "tell its administrator")


def _too_late() -> IssuerError:
    return IssuerError(
        "oidc.too-late", "nobody logged in at the issuer in time", "log in again: atoll login URL"
    )
