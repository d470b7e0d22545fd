"""Keys: who somebody is, on every machine.

Doesn't know who has one. A key is Ed25519 (RFC 8032), is made where it is used and never leaves that machine; its id is a
fingerprint of its public half.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from atoll.identity._errors import IdentityError
from atoll.values import write_privately

RAW, SIGNATURE = 32, 64  # bytes of a seed or a public key, and of a signature
_LARGEST_FILE = 10_000
_FIELD = (1 << 255) - 19
# y of the points of order 8 and less: for such a "key" everybody can make signatures
_EIGHTH = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_WEAK = {0, 1, _FIELD - 1, _EIGHTH, _FIELD - _EIGHTH}


def to_base64(raw: bytes) -> str:
    """Bytes as text for JSON and links: base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64(text: str, size: int) -> bytes:
    """The bytes of such a text, `size` of them. Raises `IdentityError` (`identity.bad-key`) for any other way to write them."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        raw = b""
    if len(raw) != size or to_base64(raw) != text:
        raise IdentityError(
            "identity.bad-key", f"{text!r:.60} is not {size} bytes of base64url", "copy all of it"
        )
    return raw


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key, 32 bytes. Raises `IdentityError` (`identity.bad-key`) for those that can't be one."""

    raw: bytes

    def __post_init__(self) -> None:
        y = int.from_bytes(self.raw, "little") & ((1 << 255) - 1)
        if len(self.raw) != RAW or y >= _FIELD or y in _WEAK:
            raise IdentityError("identity.bad-key", "these bytes are no public key", "make a new key")

    @classmethod
    def of(cls, text: str) -> Self:
        """The key that a text names."""
        return cls(from_base64(text, RAW))

    @property
    def text(self) -> str:
        """Its bytes as text, 43 characters."""
        return to_base64(self.raw)

    @property
    def id(self) -> str:
        """Its fingerprint: `k-` and 32 characters, which hold 160 bits."""
        return _fingerprint(self.raw)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the key made this signature of this message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __repr__(self) -> str:
        return f"PublicKey({self.id})"


@lru_cache(4096)
def _fingerprint(raw: bytes) -> str:
    digest = hashlib.sha256(b"atoll/key/1\n" + raw).digest()[:20]
    return "k-" + base64.b32encode(digest).decode().lower()


@final
class Key:
    """A key with its secret half. It shows nothing of that when it is printed."""

    __slots__ = ("_secret", "public")

    def __init__(self, secret: Ed25519PrivateKey) -> None:
        self._secret = secret
        self.public = PublicKey(secret.public_key().public_bytes_raw())

    @classmethod
    def make(cls) -> Self:
        """A new key, of the system's random bytes."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of_seed(cls, seed: bytes) -> Self:
        """The key that grows from 32 secret bytes; raises `IdentityError` (`identity.bad-key`) for another number of them."""
        if len(seed) != RAW:
            raise IdentityError(
                "identity.bad-key", f"a seed has {RAW} bytes, not {len(seed)}", "copy all of it"
            )
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The key in a file (PEM, PKCS #8).

        Raises `IdentityError`: `identity.no-key` when it can't be read, `identity.key-exposed` when others may read it,
        `identity.bad-key` when it holds something else.
        """
        return cls(_secret_of(_content(Path(path)), Path(path)))

    def save(self, path: str | Path, *, replace: bool = False) -> None:
        """Write the key durably to a file that its owner alone can read.

        Raises `IdentityError`: `identity.key-exists` for a file that is there, but with `replace`, and `identity.no-key` when
        it can't be written.
        """
        path = Path(path)
        if path.exists() and not replace:
            raise IdentityError(
                "identity.key-exists", f"there is a key in {path} already", "use it, or name another file"
            )
        pem = self._secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            write_privately(path, pem)
        except OSError as error:
            raise IdentityError(
                "identity.no-key", f"the key can't be written to {path}: {error}", "mend the folder"
            ) from error

    @property
    def id(self) -> str:
        """The id of its public half."""
        return self.public.id

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes that it grows from: what an invitation holds."""
        return self._secret.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes: the same every time."""
        return self._secret.sign(message)

    def __repr__(self) -> str:
        return f"Key({self.id})"


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise OSError("it is no file")
            content = file.read(_LARGEST_FILE)
    except OSError as error:
        raise IdentityError(
            "identity.no-key", f"there is no key in {path}: {error}", "enrol first"
        ) from error
    if os.name == "posix" and mode & 0o027:  # Kubernetes gives secrets to a group, for reading
        raise IdentityError(
            "identity.key-exposed", f"others than its owner can use the key in {path}", f"chmod 600 {path}"
        )
    return content


def _secret_of(content: bytes, path: Path) -> Ed25519PrivateKey:
    try:
        secret = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        secret = None
    if not isinstance(secret, Ed25519PrivateKey):
        raise IdentityError(
            "identity.bad-key", f"{path} holds no Ed25519 key without a password", "name the right file"
        )
    return secret
