"""What crosses the network: control messages and bulk transfer.

Doesn't know who decides; daemons and programs speak through it.
"""

from typing import TYPE_CHECKING, Any

from atoll.wire._manifest import call_digest, check_manifest, digest_of, join, split
from atoll.wire._messages import (
    API,
    INLINE,
    About,
    Answer,
    Attend,
    Attended,
    Bad,
    CallSpec,
    Check,
    Checked,
    Events,
    Federation,
    FederationList,
    Fetch,
    Good,
    Heard,
    Hello,
    HostOrders,
    HostPoll,
    Lack,
    Lacking,
    LendKey,
    Line,
    Lines,
    Manifest,
    Needs,
    NewRun,
    NodeInfo,
    NodeList,
    Offer,
    Ok,
    Order,
    Orders,
    Outcome,
    Poll,
    Probe,
    ProbeResult,
    Problem,
    RunEnded,
    RunInfo,
    RunKey,
    RunList,
    RunSpec,
    Say,
    Shelved,
    Stored,
    TaskSpec,
    Tensor,
    Verdict,
    Welcome,
)
from atoll.wire._numbers import metrics_of, worded

if TYPE_CHECKING:
    from atoll.wire._backoff import Backoff
    from atoll.wire._bulk import pull, push
    from atoll.wire._bundle import Bundle, extract, pack_bundle, read_bundle
    from atoll.wire._client import Client, Refused, Unreachable
    from atoll.wire._ordered import CHECK, settings_of_app, settings_of_spec
    from atoll.wire._route import Address

__all__ = [
    "API",
    "CHECK",
    "INLINE",
    "About",
    "Address",
    "Answer",
    "Attend",
    "Attended",
    "Backoff",
    "Bad",
    "Bundle",
    "CallSpec",
    "Check",
    "Checked",
    "Client",
    "Events",
    "Federation",
    "FederationList",
    "Fetch",
    "Good",
    "Heard",
    "Hello",
    "HostOrders",
    "HostPoll",
    "Lack",
    "Lacking",
    "LendKey",
    "Line",
    "Lines",
    "Manifest",
    "Needs",
    "NewRun",
    "NodeInfo",
    "NodeList",
    "Offer",
    "Ok",
    "Order",
    "Orders",
    "Outcome",
    "Poll",
    "Probe",
    "ProbeResult",
    "Problem",
    "Refused",
    "RunEnded",
    "RunInfo",
    "RunKey",
    "RunList",
    "RunSpec",
    "Say",
    "Shelved",
    "Stored",
    "TaskSpec",
    "Tensor",
    "Unreachable",
    "Verdict",
    "Welcome",
    "call_digest",
    "check_manifest",
    "digest_of",
    "extract",
    "join",
    "metrics_of",
    "pack_bundle",
    "pull",
    "push",
    "read_bundle",
    "settings_of_app",
    "settings_of_spec",
    "split",
    "worded",
]

_ROOMS = {
    "_backoff": ("Backoff",),
    "_bulk": (
        "pull",
        "push",
    ),
    "_bundle": (
        "Bundle",
        "extract",
        "pack_bundle",
        "read_bundle",
    ),
    "_client": (
        "Client",
        "Refused",
        "Unreachable",
    ),
    "_ordered": (
        "CHECK",
        "settings_of_app",
        "settings_of_spec",
    ),
    "_route": ("Address",),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME:  # whoever only reads messages needs no sockets
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
