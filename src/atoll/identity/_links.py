"""Links: what an administrator gives to whoever is invited, in one line that can be pasted.

Doesn't know what is done with one. What it looks like:

    atoll://fl.example.org:443/path?kind=node&federation=heart&name=hospital-a#1.SEED.AUDIENCE.ROOT.CA.SUM

Whatever is secret stands behind the `#`, which no browser sends and no server logs. SUM finds what was copied badly; it
proves nothing. The root's id is in it, so that who joins pins the federation's authority before it talks to anybody.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Self, final

from atoll.identity._errors import IdentityError
from atoll.identity._keys import RAW, Key, from_base64, to_base64
from atoll.identity._statements import Kind

LONGEST = 2_048
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}"
_FORM = re.compile(
    rf"atoll(?P<plain>\+http)?://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]{{2,45}}\])"
    r":(?P<port>[1-9][0-9]{0,4})(?P<path>(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)"
    rf"\?kind=(?P<kind>user|node|host)&federation=(?P<federation>{_NAME})&name=(?P<name>{_NAME})"
    r"#1\.(?P<seed>[A-Za-z0-9_-]{43})\.(?P<audience>[a-z2-7]{32})\.(?P<root>[a-z2-7]{32})"
    r"\.(?P<ca>[0-9a-f]{64}|)\.(?P<sum>[0-9a-f]{8})"
)


@final
@dataclass(frozen=True, slots=True)
class Link:
    """An invitation's link. `audience`: the id of the coordinator's key; `root`: of the federation's root key.

    `ca` is the SHA-256 (hexadecimal) of the authority's certificate that the coordinator's TLS is to be checked with; "" for
    the system's authorities. `plain`: HTTP without TLS, for a coordinator on this machine. `path` begins with `/`, or is "".
    Raises `IdentityError` (`identity.bad-link`) for parts that don't make one. Printing it shows no secret; `text` does.
    """

    host: str  # as a URL has it: lower case, IPv6 in brackets
    port: int
    seed: bytes = field(repr=False)
    kind: Kind
    federation: str
    name: str
    audience: str
    root: str
    ca: str = ""
    path: str = ""
    plain: bool = False

    def __post_init__(self) -> None:
        found = _FORM.fullmatch(self.text)
        if found is None or [self.audience, self.root] != [f"k-{found[p]}" for p in ("audience", "root")]:
            raise _bad("a part of it can't stand in a link")
        if self.port > 65_535 or not _is_host(self.host):
            raise _bad("it names no address")
        if self.plain and not _is_here(self.host):
            raise _bad("only a coordinator on the same machine can be reached without TLS")

    @classmethod
    def read(cls, text: str) -> Self:
        """The link that a text is. Raises `IdentityError` (`identity.bad-link`)."""
        text = text[: LONGEST + 1].strip(" \t\r\n")
        found = _FORM.fullmatch(text) if len(text) <= LONGEST else None
        if found is None:
            raise _bad("it doesn't look like one")
        if found["sum"] != _sum(text[: found.start("sum")]):
            raise _bad("a part of it is missing or was changed on the way")
        return cls(
            host=found["host"],
            port=int(found["port"]),
            seed=_seed(found["seed"]),
            kind=found["kind"],  # type: ignore[arg-type]  # the pattern has but these
            federation=found["federation"],
            name=found["name"],
            audience=f"k-{found['audience']}",
            root=f"k-{found['root']}",
            ca=found["ca"],
            path=found["path"],
            plain=found["plain"] is not None,
        )

    @property
    def text(self) -> str:
        """The link itself: whoever has it can enrol, once."""
        scheme = "atoll+http" if self.plain else "atoll"
        about = f"kind={self.kind}&federation={self.federation}&name={self.name}"
        pins = f"{self.audience.removeprefix('k-')}.{self.root.removeprefix('k-')}.{self.ca}"
        text = f"{scheme}://{self.host}:{self.port}{self.path}?{about}#1.{to_base64(self.seed)}.{pins}."
        return text + _sum(text)

    @property
    def address(self) -> str:
        """The coordinator's URL."""
        return f"{'http' if self.plain else 'https'}://{self.host}:{self.port}{self.path}"

    @property
    def token(self) -> Key:
        """The token's key, with which joining is signed."""
        return Key.of_seed(self.seed)


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _seed(text: str) -> bytes:
    try:
        return from_base64(text, RAW)
    except IdentityError:
        raise _bad("its token can't be read") from None


def _is_host(host: str) -> bool:
    """Whether it is a name, or an address in its one form."""
    inside = host.strip("[]")
    if not host.startswith("[") and not re.fullmatch(r"[0-9.]+", host):
        return len(host) <= 253
    try:
        return str(ipaddress.ip_address(inside)) == inside
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    return host in ("localhost", "[::1]") or (
        host.startswith("127.") and re.fullmatch(r"[0-9.]+", host) is not None
    )


def _bad(why: str) -> IdentityError:
    return IdentityError(
        "identity.bad-link", f"this is no invitation's link: {why}", "copy all of it, between quotes"
    )
