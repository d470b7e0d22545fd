"""Times rounds with a large model against the machine's own ceiling over the same TLS, and weighs everybody's memory; and a
smaller model beside Flower's deployment, which can't carry the large one.

Does not know what is trained: nothing is. Every reply and every model is unique.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import _ceiling
import deployed
from _federation import Federation, descendants, private
from _report import Report, arguments


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--peer-megabytes", type=int, default=100)
    parser.add_argument("--no-peer", action="store_true", help="leave Flower out")
    parser.add_argument("--folder", help="where to work: a disk with room for ten models")
    options = parser.parse_args()
    size = options.megabytes * 1_000_000 // _ceiling.PIECE * _ceiling.PIECE
    report = Report("bulk")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        found, peaks = _ours(folder / "large", options, size)
        ceilings = [_both(folder, size, options.nodes) for _ in range(options.times)]
        if not options.no_peer:
            _beside_flower(report, folder / "small", options)
    seconds = statistics.median(found["rounds"])
    kept, bare = (statistics.median(c[i] for c in ceilings) for i in (0, 1))
    report.add(f"a round, {options.megabytes} MB, {options.nodes} nodes", seconds, "s", "transferred, hashed, written", kept,
               at_most=1 / 0.7, note=f"{kept / seconds:.2f} of the ceiling")  # fmt: skip
    report.add("the same", seconds, "s", "transferred alone", bare)
    megabytes = size / 1e6
    report.add("coordinator", peaks.of("coordinator") / 1e6, "MB", at_most=200, by="value")
    report.add("server app", peaks.of("program") / 1e6, "MB", "the model", megabytes, at_most=2.5)
    report.add("worker", peaks.of("worker") / 1e6, "MB", "the model", megabytes, at_most=1.6)
    report.details = {"setting": vars(options), "rounds": found["rounds"], "ceilings": ceilings}
    report.show(as_json=options.json)


def _ours(folder: Path, options: argparse.Namespace, size: int) -> tuple[dict[str, Any], Peaks]:
    """The rounds of a run with a model of so many bytes in a federation of its own, and what its processes held."""
    options.floats, options.arrays = size // 4, 25
    with Federation(folder / "federation", nodes=options.nodes, tls=True) as federation:
        peaks = Peaks(federation)
        found = deployed.run(federation, options)
        peaks.end()
    return found, peaks


def _beside_flower(report: Report, folder: Path, options: argparse.Namespace) -> None:
    ours, _ = _ours(folder, options, options.peer_megabytes * 1_000_000)
    theirs = deployed.flower(options)
    report.add(f"a round, {options.peer_megabytes} MB, {options.nodes} nodes", statistics.median(ours["rounds"]), "s",
               "Flower", theirs and statistics.median(theirs["rounds"]))  # fmt: skip


def _both(folder: Path, size: int, clients: int) -> tuple[float, float]:
    """Seconds of a round's way with and without hashing and writing: the model up once, then down and up for each."""
    certificate, key = _made(folder)
    (folder / "ceiling").mkdir(exist_ok=True)
    found = [
        sum(
            _ceiling.legs(
                folder / "ceiling", certificate, key, size=size, clients=clients, keep=keep
            ).values()
        )
        for keep in (True, False)
    ]
    return found[0], found[1]


def _made(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not key.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return certificate, key


class Peaks:
    """The most private memory that each kind of process held, looked at five times a second."""

    def __init__(self, federation: Federation) -> None:
        self._federation, self._peaks, self._over = federation, dict[str, int](), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def of(self, kind: str) -> int:
        """Bytes."""
        return self._peaks.get(kind, 0)

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            for daemon in self._federation.daemons.values():
                for pid in descendants(daemon.pid):
                    try:
                        command = Path(f"/proc/{pid}/cmdline").read_text()
                        kind = next(
                            (
                                k
                                for k in ("program", "worker", "coordinator", "node", "host")
                                if f".{k}" in command
                            ),
                            "",
                        )
                        self._peaks[kind] = max(self._peaks.get(kind, 0), private(pid))
                    except (OSError, ValueError):
                        continue


if __name__ == "__main__":
    sys.exit(main())
