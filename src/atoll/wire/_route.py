"""How to reach a coordinator: directly or through a proxy, plain or over TLS.

Doesn't know what is asked there.
"""

from __future__ import annotations

import base64
import ipaddress
import ssl
import urllib.request
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from atoll.values import ConfigError


class Address(msgspec.Struct, frozen=True):
    """Where a coordinator is: its URL, the token or the key (a PEM file) it knows us by, the id of its own key, and a PEM
    file of the authorities to trust."""

    url: str
    token: str = ""
    ca: str = ""
    key: str = ""
    audience: str = ""


@dataclass(frozen=True)
class Route:
    """How requests go there; `prefix` stands before each path (a plain proxy wants whole URLs)."""

    secure: ssl.SSLContext | None
    host: str
    port: int
    prefix: str
    proxy: SplitResult | None

    @property
    def dialled(self) -> tuple[str, int]:
        """Whom to connect to."""
        if self.proxy is None:
            return self.host, self.port
        return self.proxy.hostname or "", self.proxy.port or 80

    @property
    def netloc(self) -> str:
        """Host and port as an URL has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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
    secure = _trusting(address.ca) if url.scheme == "https" else None
    direct = Route(secure, url.hostname, port, url.path.rstrip("/"), None)
    proxy = _proxy(url.scheme, direct)
    prefix = direct.prefix if proxy is None or secure else f"http://{direct.netloc}{direct.prefix}"
    return Route(secure, url.hostname, port, prefix, proxy)


def proxy_headers(proxy: SplitResult | None) -> dict[str, str]:
    """What a proxy wants to know of us."""
    if proxy is None or not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _trusting(ca: str) -> ssl.SSLContext:
    """TLS that trusts the system's authorities, or those of one PEM file alone."""
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        mend = "name a PEM file that holds the coordinator's certificate"
        raise ConfigError("wire.bad-ca", f"the certificate {ca} can't be used: {error}", mend) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca:
        context.verify_flags |= (
            ssl.VERIFY_X509_PARTIAL_CHAIN
        )  # the file may hold the server's own certificate
    return context


def _proxy(scheme: str, route: Route) -> SplitResult | None:
    """The environment's proxy; what is on this machine is asked directly."""
    found = urllib.request.getproxies().get(scheme)
    if not found or _here(route.host) or urllib.request.proxy_bypass(route.netloc):
        return None
    try:
        proxy = urlsplit(found if "//" in found else f"http://{found}")
        usable = proxy.scheme == "http" and bool(proxy.hostname) and (proxy.port or 80) > 0
    except ValueError:
        usable = False
    if not usable:
        name, mend = f"{scheme.upper()}_PROXY", "write http://host:port"
        raise ConfigError("wire.bad-address", f"{name} is no address of a proxy that can be used", mend)
    return proxy


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
