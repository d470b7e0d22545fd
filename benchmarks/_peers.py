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
    "flwr": [["torch==2.13.0"], ["flwr[simulation]==1.41.0"]],
    "pfl": [["torch==2.13.0"], ["pfl[pytorch]==0.6.0"]],
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


def quiet() -> dict[str, str]:
    """Gives the settings that every peer is run with: no telemetry, no update check, nothing but loopback.

    Ray asks the routing table for an outside address unless "clusters" are off, and asks the clouds' metadata
    services where it runs, even with its statistics off, unless a cluster file lies in its home.
    """
    home = BENCH / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / "ray_bootstrap_config.yaml").write_text("{}\n")
    return {
        "HOME": str(home),
        "FLWR_HOME": str(home / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONWARNINGS": "ignore",
    }


def _python_of(home: Path) -> Path:
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


if __name__ == "__main__":
    for name in sys.argv[1:] or PEERS:
        print(ensure(name))
