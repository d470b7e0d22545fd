"""Installs each peer framework into a virtual environment of its own and says where its python is.

Does not know what is measured: a peer is a name, its pinned requirements and nothing else.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent / ".bench"

# Each step is one `pip install`: torch goes first, so that a peer cannot pull in another build of it.
PEERS: dict[str, list[list[str]]] = {
    "flwr": [["flwr[simulation]==1.41.0"]],
    "pfl": [["torch==2.13.0"], ["pfl[pytorch]==0.6.0"]],
}

# What every peer is run with: no telemetry, no update check, no dashboard, nothing but loopback. Ray otherwise
# asks the routing table for an outside address, and stays on 127.0.0.1 where "clusters" are off.
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_HOME": str(BENCH / "flwr-home"),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONWARNINGS": "ignore",
}


def ensure(peer: str) -> Path:
    """Gives the python of a peer's environment, made on first use and whenever its pins change.

    Raises KeyError for a peer that is not in `PEERS`, subprocess.CalledProcessError where pip fails.
    """
    steps = PEERS[peer]
    home = BENCH / peer
    python = _python_of(home)
    mark = home / ".atoll-pins"
    pins = hashlib.sha256(repr((steps, sys.version_info[:2])).encode()).hexdigest()
    if mark.exists() and mark.read_text() == pins and python.exists():
        return python
    print(f"installing {peer} into {home} (once; minutes)", file=sys.stderr, flush=True)
    venv.create(home, with_pip=True, clear=True)
    for requirements in steps:
        command = [str(python), "-m", "pip", "install", "--quiet", *requirements]
        subprocess.run(command, check=True, stdout=sys.stderr)
    mark.write_text(pins)
    return python


def _python_of(home: Path) -> Path:
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


if __name__ == "__main__":
    for name in sys.argv[1:] or PEERS:
        print(ensure(name))
