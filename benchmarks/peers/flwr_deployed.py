"""Deploys Flower on loopback (a SuperLink, SuperNodes) and times the rounds of an app that does nothing.

Does not know Atoll. Run inside flwr's own environment.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import itertools

from _peers import quiet

BIN = Path(sys.executable).parent
APP = Path(__file__).with_name("flwr_app")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--floats", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), options)))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Seconds a round, the first apart; seconds from the command to its first round's end; memory of idle daemons."""
    port = free_port()
    env = {**os.environ, **quiet(), "FLWR_HOME": str(folder / "flwr"), "PATH": f"{BIN}:{os.environ['PATH']}"}
    (folder / "flwr").mkdir()
    (folder / "flwr" / "config.toml").write_text(
        f'[superlink]\ndefault = "bench"\n\n[superlink.bench]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    daemons = []
    with open(folder / "log", "wb") as log:

        def start(*command: str) -> None:
            daemons.append(
                subprocess.Popen([str(BIN / command[0]), *command[1:]], env=env, stdout=log, stderr=log)
            )

        start("flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(port))
        try:
            wait_for(port)
            for _ in range(options.nodes):
                start(
                    "flower-supernode",
                    "--insecure",
                    "--superlink",
                    f"127.0.0.1:{port}",
                    "--port",
                    str(free_port()),
                )
            idle = sum(resident(d.pid) for d in daemons)
            out = folder / "out.json"
            config = f'rounds={options.rounds} floats={options.floats} nodes={options.nodes} out="{out}"'
            begun = time.time()
            subprocess.run([str(BIN / "flwr"), "run", str(APP), "bench", "--stream", "--run-config", config],
                           env=env, check=True, stdout=log, stderr=log, timeout=500)  # fmt: skip
            found = json.loads(out.read_text())
        except BaseException:
            print((folder / "log").read_text()[-9000:], file=sys.stderr)
            raise
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
            for daemon in daemons:
                try:
                    daemon.wait(20)
                except subprocess.TimeoutExpired:
                    daemon.kill()
    ends = found["ends"]
    rounds = [b - a for a, b in itertools.pairwise(ends)]
    return {"rounds": rounds, "first": ends[0] - begun, "started": found["started"] - begun, "idle": idle}


def wait_for(port: int) -> None:
    """Return when somebody listens there."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        select.select([], [], [], 0.1)
    raise RuntimeError(f"nobody listens on port {port}")


def resident(pid: int) -> int:
    """Bytes of memory that a process alone holds."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Private_"))


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


if __name__ == "__main__":
    main()
