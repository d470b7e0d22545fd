"""Times what it costs to sign a control request and to check it, beside Ed25519 on the same bytes.

Does not know the network; a request's other costs are in the other benchmarks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from _report import Report, arguments
from atoll.identity import Key, Nonces, PublicKey, Signer, Verifier, read_signature

TARGET = "/v1/nodes/poll?wait=5"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2_000, help="a run")
    options = parser.parse_args()
    report = Report("signing", details={"setting": vars(options)})
    for size, words in ((0, "without a body"), (1_000, "1 KB"), (64 << 10, "64 KiB")):
        _add(report, words, bytes(size), options.times, options.requests)
    report.show(as_json=options.json)


def _add(report: Report, words: str, body: bytes, times: int, requests: int) -> None:
    """Runs of the four take turns; each figure is the median of its runs, microseconds of CPU a request."""
    sides = _Sides(body)
    bare = _bare(sides.text())
    work = {"both": sides.both, "bare": bare, "sign": sides.sign, "unknown": sides.refuse}
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(times):
        for name, one in work.items():
            found[name].append(_cpu(one, requests))
    us = {name: median(runs) for name, runs in found.items()}
    against = "bare Ed25519, the same bytes"
    note = f"signing {us['sign']:.0f} us; least of both {min(found['both']):.0f} us"
    report.add(
        f"sign and check, {words}",
        us["both"],
        "us",
        against,
        us["bare"],
        at_most=1_000,
        by="value",
        note=note,
    )
    report.add(
        f"the same by a key that nobody knows, {words}", us["unknown"], "us", "a known one", us["both"]
    )


class _Sides:
    """A client and a coordinator with 1,000 known keys; nobody between them."""

    def __init__(self, body: bytes) -> None:
        key, coordinator = Key.make(), Key.make()
        others = [Key.make().public for _ in range(999)]
        self._known: dict[str, PublicKey] = {one.id: one for one in [key.public, *others]}
        self._verifier = Verifier(coordinator.id, time.time, Nonces(time.time() - 1_000), self._known.get)
        self._signer = Signer(key, coordinator.id, time.time)
        self._stranger = Signer(Key.make(), coordinator.id, time.time)
        self._body = body

    def sign(self) -> None:
        self._signer.headers("POST", TARGET, body=self._body)

    def both(self) -> None:
        self._check(self._signer)

    def refuse(self) -> None:
        try:
            self._check(self._stranger)
        except Exception:
            return
        raise AssertionError("a key that nobody knows was let in")

    def text(self) -> bytes:
        """What is signed."""
        path, _, query = TARGET.partition("?")
        return read_signature(_Fields(self._signer.headers("POST", TARGET, body=self._body))).text(
            "POST", path, query
        )

    def _check(self, signer: Signer) -> None:
        headers = _Fields(signer.headers("POST", TARGET, body=self._body))
        path, _, query = TARGET.partition("?")
        self._verifier.check(read_signature(headers), "POST", unquote(path), query).check(self._body)


class _Fields:
    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def get_all(self, name: str, /) -> list[str]:
        return [self._fields[name]] if name in self._fields else []


def _bare(text: bytes) -> Callable[[], None]:
    secret = Ed25519PrivateKey.generate()
    public = secret.public_key()
    return lambda: public.verify(secret.sign(text), text)


def _cpu(work: Callable[[], None], requests: int) -> float:
    """Microseconds of CPU that one takes."""
    begun = time.process_time()
    for _ in range(requests):
        work()
    return (time.process_time() - begun) / requests * 1e6


if __name__ == "__main__":
    main()
