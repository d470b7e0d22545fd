"""Environments that `uv` builds: one for each lock, from the wheels that a node's owner allows.

Doesn't know which app asks. Packages are installed from wheels alone, so that building one runs nobody's code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from atoll.journal import one_at_a_time
from atoll.service.workshop._requirements import requirements
from atoll.values import AtollError

MOST = 8  # environments kept, and those younger than
AGE = 7 * 24 * 3600.0  # seconds
_WORDS = 4000  # characters of what uv said


class Environments:
    """A folder of them. `atoll` is the package that every one of them imports."""

    def __init__(
        self, folder: Path, *, wheelhouse: str | Path | None, index: str | None, atoll: Path
    ) -> None:
        self._folder, self._index = folder, index
        self._wheelhouse = None if wheelhouse is None else str(Path(wheelhouse).expanduser().resolve())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = _alone(folder / "atoll", atoll)

    def python(self, app: Path) -> tuple[Path, Path]:
        """The Python of an app's environment, and the folder that it finds Atoll in.

        Raises `AtollError` (`environment.failed`, `environment.bad-lock`).
        """
        wanted = requirements(app, self._exported)
        name = self._name(wanted)
        home = self._folder / name
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not _ready(home, python):
            with one_at_a_time(self._folder / f"{name}.lock"):
                if not _ready(home, python):
                    self._build(home, python, wanted)
                    self._sweep(keep=home)
        os.utime(home)
        return python, self._path

    def _name(self, wanted: str) -> str:
        said = json.dumps([wanted, sys.version, sys.executable, self._wheelhouse, self._index])
        return hashlib.sha256(said.encode()).hexdigest()[:40]

    def _build(self, home: Path, python: Path, wanted: str) -> None:
        shutil.rmtree(home, ignore_errors=True)  # what a build that was killed left
        self._uv("venv", "--quiet", "--python", sys.executable, str(home))
        lock = home / "requirements.txt"
        lock.write_text(wanted, encoding="utf-8")
        source = ["--index-url", self._index] if self._index else []
        if self._wheelhouse:
            source = ["--no-index", "--offline", "--find-links", self._wheelhouse]
        self._uv(
            "pip",
            "install",
            "--quiet",
            "--no-build",
            "--compile-bytecode",
            "--python",
            str(python),
            *source,
            "-r",
            str(lock),
        )
        (home / "ready").touch()

    def _exported(self, app: Path) -> str:
        return self._uv("export", "--quiet", "--frozen", "--offline", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate",
                        "--no-emit-package", "atoll", "--python", sys.executable, "--project", str(app))  # fmt: skip

    def _uv(self, *words: str) -> str:
        import uv

        kept = {
            n: v
            for n, v in os.environ.items()
            if not n.startswith(("UV_INDEX", "UV_FIND", "VIRTUAL_ENV", "PYTHONPATH"))
        }
        done = subprocess.run(
            [uv.find_uv_bin(), "--no-config", *words], env=kept, cwd=self._folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode:
            source = self._wheelhouse or self._index or "the package index"
            raise AtollError(
                "environment.failed",
                f"uv can't build the app's environment from {source}: {done.stderr.strip()[-_WORDS:]}",
                "add what is missing to the node's wheelhouse or index, or change the app's lock",
            )
        return done.stdout

    def _sweep(self, keep: Path) -> None:
        """Forget environments that nobody has asked for in a long time."""
        homes = [h for h in self._folder.iterdir() if (h / "ready").exists() and h != keep]
        for home in sorted(homes, key=lambda h: -h.stat().st_mtime)[MOST - 1 :]:
            if time.time() - home.stat().st_mtime > AGE:
                (home / "ready").unlink()
                shutil.rmtree(home, ignore_errors=True)


def _ready(home: Path, python: Path) -> bool:
    return (home / "ready").exists() and python.exists()


def _alone(folder: Path, package: Path) -> Path:
    """A folder in which a package is alone: one that is installed lies beside all others, which are not the app's."""
    folder.mkdir(exist_ok=True)
    link = folder / package.name
    with contextlib.suppress(OSError):
        if link.resolve() == package.resolve():
            return folder
    if link.is_symlink():
        link.unlink()
    else:
        shutil.rmtree(link, ignore_errors=True)
    try:
        link.symlink_to(package, target_is_directory=True)
    except OSError:  # where links are a privilege
        with contextlib.suppress(FileExistsError):
            if not link.exists():
                shutil.copytree(package, link)
    return folder
