"""What an administrator decides about a coordinator.

Doesn't know how it was written down; a command and a file both make one.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a coordinator needs to begin. `tls` None: with a certificate, and wherever others can come from.

    `public_url`: how others reach it; whoever comes is then known by a key, and nobody by a token. `oidc_issuer`: the URL of who
    vouches for users' names, with the coordinator's id there (`oidc_client`), and whom its tokens are for, if that is another.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 8765
    tls_cert: str | None = None
    tls_key: str | None = None
    tls: bool | None = None
    embedded_host: bool = True
    public_url: str = ""
    oidc_issuer: str = ""
    oidc_client: str = ""
    oidc_audience: str = ""
    machine_lifetime: float = (
        7 * 86_400.0
    )  # seconds for which a node's or host's credential is good when it was renewed
    user_lifetime: float = 30 * 86_400.0

    @property
    def identified(self) -> bool:
        """Whether it knows by a key who comes."""
        return bool(self.public_url)

    @property
    def loopback(self) -> bool:
        """Whether nobody but this machine can come."""
        return _loopback(self.host)

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return bool(self.tls_cert) or (not self.loopback if self.tls is None else self.tls)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
