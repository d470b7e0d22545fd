"""A workshop: apps made ready to be run: their files in a folder, and a Python that has what they import.

Doesn't know what is run in it: a node's workers or a host's server apps.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atoll.runtime import environment
from atoll.service.workshop._bundles import Bundles
from atoll.values import ConfigError

if TYPE_CHECKING:
    from atoll.service.workshop._environments import Environments

HERE, UV = "here", "uv"
_SOURCES = Path(__file__).resolve().parents[3]  # the folder that Atoll is imported from


@dataclass(frozen=True, slots=True)
class Prepared:
    """An app ready to be run: its folder, its Python, and where that looks for packages first."""

    folder: Path
    python: str
    path: tuple[str, ...] = ()

    def command(self, module: str, *words: str) -> list[str]:
        """What runs a module of Atoll. The app's folder is not looked into for it."""
        return [self.python, "-u", "-P", "-m", module, *words]

    def surroundings(self, threads: int = 1) -> dict[str, str]:
        """The environment variables to run it with: the daemon's, but for Atoll's own, and no files written beside the app's."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith("ATOLL_") and n != "PYTHONHOME"}
        path = os.pathsep.join([*self.path, *filter(None, [kept.get("PYTHONPATH")])])
        return {**kept, **environment(threads), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


class Workshop:
    """Bundles and environments in a folder, made when they are first needed, for as many processes as want them.

    `environments`: "here" runs every app in this Python; "uv" builds an environment for each app's lock, from a folder of wheels
    (`wheelhouse`) or a package `index` (PyPI when neither is given).
    """

    def __init__(
        self,
        folder: Path,
        *,
        environments: str = HERE,
        wheelhouse: str | Path | None = None,
        index: str | None = None,
    ) -> None:
        if environments not in (HERE, UV):
            raise ConfigError(
                "environment.unknown-policy",
                f"environments are `here` or built by `uv`, not {environments!r:.80}",
                "--environments uv",
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.usual: Prepared | None = None  # what is likely to be wanted next, whichever app it is for
        self._bundles = Bundles(folder / "bundles")
        self._environments: Environments | None = None
        if environments == UV:
            from atoll.service.workshop._environments import Environments

            self._environments = Environments(
                folder / "environments", wheelhouse=wheelhouse, index=index, atoll=_SOURCES / "atoll"
            )
        else:
            self.usual = self.environment_for(folder)

    def prepare(self, digest: str, fetch: Callable[[], bytes]) -> Prepared:
        """Make an app ready; `fetch` gets its bundle when it isn't here, whole.

        Raises what `read_bundle` raises, `AtollError` (`bundle.damaged`, `environment.failed`, `environment.bad-lock`), and `OSError`.
        """
        return self.environment_for(self._bundles.folder(digest, fetch))

    def environment_for(self, folder: Path) -> Prepared:
        """Make the environment of an app ready whose files are in a folder."""
        if self._environments is None:
            return Prepared(folder, sys.executable, (str(_SOURCES),))
        python, path = self._environments.python(folder)
        self.usual = Prepared(folder, str(python), (str(path),))
        return self.usual
