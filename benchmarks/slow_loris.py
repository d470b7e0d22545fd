"""Times honest requests to a coordinator that 500 slow-loris connections pester, beside the same requests without them.

Does not know how the connections are made (_loris.py is a process of its own). Turns with and without them alternate, so
that a machine that slows down slows both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from _federation import Federation, private
from _report import Report, arguments
from atoll.wire import Client, FederationList, Lack, Lacking

CLIENTS = 4


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], times=4)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=10.0, help="a turn")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second of each of 4 clients")
    parser.add_argument("--warm", type=float, default=10.0, help="seconds of pestering before a turn counts")
    options = parser.parse_args()
    report = Report("slow loris", details={"setting": vars(options)})
    for words, keys in (("a token", False), ("a signature, over TLS", True)):
        with (
            tempfile.TemporaryDirectory() as folder,
            Federation(Path(folder), nodes=0, keys=keys) as federation,
        ):
            federation.settle()
            found = _turns(federation, options)
        _add(report, words, found)
    report.show(as_json=options.json)


def _turns(federation: Federation, options: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"alone": [], "pestered": [], "loris": [], "memory": 0.0}
    pid = federation.daemons["coordinator"].pid
    _seconds_of(federation, 2.0, options.rate)
    for _ in range(options.times):
        found["alone"].append(_seconds_of(federation, options.seconds, options.rate))
        before = private(pid)
        with _Loris(federation, options.connections) as loris:
            _seconds_of(federation, options.warm, options.rate)
            found["pestered"].append(_seconds_of(federation, options.seconds, options.rate))
            found["memory"] = max(found["memory"], (private(pid) - before) / options.connections)
        found["loris"].append(loris.told)
    return found


def _add(report: Report, kind: str, found: dict[str, Any]) -> None:
    alone, pestered = ([x for turn in found[name] for x in turn] for name in ("alone", "pestered"))
    turns = {name: [f"{_p99(turn) * 1e3:.1f}" for turn in found[name]] for name in ("alone", "pestered")}
    for words, of in (("p50", median), ("p99", _p99)):
        bound = {"at_most": 2.0} if words == "p99" else {}
        note = f"turns {'/'.join(turns['pestered'])}, alone {'/'.join(turns['alone'])}" if bound else ""
        report.add(
            f"a request with {kind}, {words}", of(pestered) * 1e3, "ms", "without the connections", of(alone) * 1e3,
            note=note, **bound,
        )  # fmt: skip
    report.add(f"requests with {kind} that failed", pestered.count(float("inf")), "", at_most=0, by="value")
    report.add(
        f"memory for each connection, beside {kind}", found["memory"] / 1000, "KB", at_most=1000, by="value"
    )
    report.details[kind] = {"loris": found["loris"], "requests": [len(alone), len(pestered)]}


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98]


def _seconds_of(federation: Federation, lasts: float, rate: float) -> list[float]:
    """The seconds that each request took; `inf` for one that failed."""
    took: list[float] = []
    threads = [threading.Thread(target=_ask, args=(federation, n, lasts, rate, took)) for n in range(CLIENTS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return took


def _ask(federation: Federation, number: int, lasts: float, rate: float, took: list[float]) -> None:
    """Ask what is lacking and read lists in turns, at a steady rate; what is late isn't made up for."""
    client = Client(federation.address, agent=f"benchmark {number}", patience=0.0)
    lack = Lack(federation="default", objects={"sha256:" + "0" * 64: 1})
    client.call("GET", "/v1/federations", None, FederationList)  # it is connected, and knows the time
    ends, pause = time.perf_counter() + lasts, threading.Event()
    count = 0
    while (begun := time.perf_counter()) < ends:
        count += 1
        try:
            if count % 2:
                client.once("POST", "/v1/objects/lack", lack, Lacking)
            else:
                client.once("GET", "/v1/federations", None, FederationList)
            took.append(time.perf_counter() - begun)
        except Exception:
            took.append(float("inf"))
        pause.wait(max(0.0, begun + 1 / rate - time.perf_counter()))  # the pace of a client
    client.close()


class _Loris:
    """The process with the connections, for a `with`; `told` is what became of them."""

    def __init__(self, federation: Federation, count: int) -> None:
        address = federation.address
        command = [Path(__file__).with_name("_loris.py"), address.url, address.token, count]
        self._command = [sys.executable, *map(str, command)]
        self.told: dict[str, Any] = {}

    def __enter__(self) -> _Loris:
        self._child = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._child.stdout is not None
        if self._child.stdout.readline() != "ready\n":
            raise RuntimeError("the connections can't be made")
        return self

    def __exit__(self, *_: object) -> None:
        told, _ = self._child.communicate("", timeout=30)
        self.told = json.loads(told)


if __name__ == "__main__":
    main()
