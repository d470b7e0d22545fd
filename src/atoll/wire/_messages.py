"""What crosses the network as control: JSON bodies, each a Struct whose fields are bounded when it is decoded.

Doesn't know who serves or sends them. Unknown fields are ignored, so that neighbouring versions work together.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

API = 1
INLINE = 64 << 10  # bytes of a payload that ride inside a message

Name: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
]
RunId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+\Z")]
Digest: TypeAlias = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Text: TypeAlias = Annotated[str, Meta(max_length=20_000)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 53)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=600)]
Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Problem(Message, frozen=True, kw_only=True):
    """Why a request was refused: a stable code, what happened, and the mend. `time`: the coordinator's, for whose is off."""

    code: str
    message: str
    mend: str = ""
    time: float = 0.0


class Ok(Message, frozen=True, kw_only=True):
    """Done; nothing to tell."""


class About(Message, frozen=True, kw_only=True):
    """Who answers: its version, its clock (seconds since 1970, UTC), what it can do, and the id of the key that requests
    have to be signed for, where they have to be."""

    version: str
    time: float
    api: int = API
    capabilities: list[str] = []
    audience: str = ""


# -- payloads ---------------------------------------------------------------------------------------------------


class Tensor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One array: where its bytes lie. `object` is "" for the inline pack."""

    name: Annotated[str, Meta(max_length=4096)]
    dtype: Annotated[str, Meta(max_length=16)]  # as safetensors calls it: F32, BF16 ...
    shape: Annotated[list[Count], Meta(max_length=64)]
    object: Annotated[str, Meta(max_length=128)]
    offset: Count = 0


class Manifest(Message, frozen=True, kw_only=True):
    """A payload: plain values as MessagePack, arrays by payload name, and the objects that hold their bytes."""

    plain: bytes = b""
    groups: dict[str, list[Tensor]] = {}
    objects: dict[Digest, Count] = {}  # and their sizes in bytes
    inline: bytes = b""


# -- bulk -------------------------------------------------------------------------------------------------------


class Lack(Message, frozen=True, kw_only=True):
    """Which of these are not there?"""

    federation: Name
    objects: dict[Digest, Count]


class Lacking(Message, frozen=True, kw_only=True):
    """Those, and how many bytes of each have come already."""

    lack: dict[Digest, Count] = {}


class Stored(Message, frozen=True, kw_only=True):
    """Objects that are whole and durable now."""

    stored: list[Digest] = []


class Fetch(Message, frozen=True, kw_only=True):
    """Pieces to send, one after the other."""

    federation: Name
    pieces: Annotated[list[tuple[Digest, Count, Count]], Meta(max_length=100_000)]  # object, offset, length
