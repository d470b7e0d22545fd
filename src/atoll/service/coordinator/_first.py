"""The first administrator's link: whoever takes it up becomes the root of the federation `default`.

Doesn't know who that will be. It lies in the coordinator's home, for its owner's eyes alone, until it was taken.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from atoll.identity import Both, IdentityError, Join, Key, Link, check_both
from atoll.service.coordinator._home import write

FEDERATION, NAME = "default", "admin"
FILE = "first-administrator"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """How others reach the coordinator: its URL, the id of its key, and the hash of the authority to trust ("": the system's)."""

    url: str
    audience: str
    ca: str = ""

    def link(self, token: Key, *, root: str) -> Link:
        """The first administrator's link. Raises `IdentityError` (`identity.bad-link`) for an URL that no link can name."""
        url = urlsplit(self.url)
        plain = url.scheme == "http"
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
        port = url.port or (80 if plain else 443)
        return Link(host=host, port=port, seed=token.seed, kind="user", federation=FEDERATION, name=NAME,
                    audience=self.audience, root=root, ca=self.ca, path=url.path.rstrip("/"), plain=plain)  # fmt: skip


class First:
    """The link, made once; told anew when the coordinator is reached by another URL."""

    def __init__(self, home: Path, where: Whereabouts) -> None:
        self._path, self._where = home / FILE, where

    def link(self) -> Link:
        """The link, to be printed. Its root is its own token's key: there is none yet."""
        token = self._token() or Key.make()
        link = self._where.link(token, root=token.id)
        text = f"{link.text}\n".encode()
        if not self._path.exists() or self._path.read_bytes() != text:
            write(self._path, text)
        return link

    def claimed(self, joined: Both) -> Key | None:
        """The token when this takes the link up; None when it does not. Raises `IdentityError` for what isn't signed."""
        said, token = check_both(joined, Join), self._token()
        fits = (
            token is not None
            and said.token == joined.first.by == token.public.text
            and said.key == joined.second.by
            and said.name == NAME
        )
        return token if fits else None

    def done(self) -> None:
        """It was taken up, for good."""
        self._path.unlink(missing_ok=True)

    def _token(self) -> Key | None:
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError, IdentityError):
            return Link.read(self._path.read_text(encoding="ascii")).token
        return None
