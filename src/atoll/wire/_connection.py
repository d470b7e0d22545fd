"""One connection to a coordinator, direct or through a proxy, plain or over TLS.

Doesn't know what is asked.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import urllib.request
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from atoll.values import ConfigError

CONNECTING = 10.0  # seconds


class Address(msgspec.Struct, frozen=True):
    """Where a coordinator is: its URL, the token it knows us by, and a PEM file of the authorities to trust."""

    url: str
    token: str = ""
    ca: str = ""


@dataclass(frozen=True)
class Route:
    """How requests go there; `prefix` stands before each path (a plain proxy wants whole URLs)."""

    secure: ssl.SSLContext | None
    host: str
    port: int
    prefix: str
    path: str
    proxy: SplitResult | None

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        at = self.proxy or None
        host, port = (at.hostname or "", at.port or 80) if at else (self.host, self.port)
        if self.secure is None:
            return _Plain(host, port, timeout=CONNECTING)
        connection = _Secure(host, port, timeout=CONNECTING, context=self.secure)
        if at:
            connection.set_tunnel(self.host, self.port, headers=proxy_headers(at))
        return connection


class _Plain(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Secure(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def route(address: Address) -> Route:
    """Read an address, and the environment's proxies. Raises `ConfigError` (`wire.bad-address`, `wire.bad-ca`)."""
    try:
        url = urlsplit(address.url)
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        url, port = urlsplit(""), 0
    if url.scheme not in ("http", "https") or not url.hostname:
        mend = "write https://host:port"
        raise ConfigError("wire.bad-address", f"{address.url!r:.200} is no address of a coordinator", mend)
    secure = trusting(address.ca) if url.scheme == "https" else None
    proxy = _proxy(url.scheme, url.hostname, port)
    path = url.path.rstrip("/")
    prefix = f"http://{url.hostname}:{port}{path}" if proxy and secure is None else path
    return Route(secure, url.hostname, port, prefix, path, proxy)


def trusting(ca: str) -> ssl.SSLContext:
    """TLS that trusts the system's authorities, or those of one PEM file alone."""
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        mend = "name a PEM file that holds the coordinator's certificate"
        raise ConfigError("wire.bad-ca", f"the certificate {ca} can't be used: {error}", mend) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def proxy_headers(proxy: SplitResult) -> dict[str, str]:
    """What a proxy wants to know of us."""
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _proxy(scheme: str, host: str, port: int) -> SplitResult | None:
    found = urllib.request.getproxies().get(scheme)
    if not found or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    return urlsplit(found if "//" in found else f"http://{found}")
