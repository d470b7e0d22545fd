"""Loading an app: its `pyproject.toml`, and the objects that it names.

Doesn't know what will run it.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atoll.app._apps import ClientApp, ServerApp
from atoll.values import Config, ConfigError, nbytes, suggestion

_KEYS = {"server", "client", "config", "simulation", "resources", "data", "exclude"}
_SIMULATION_KEYS = {"nodes", "data", "partition", "workers", "threads", "seed", "save", "clock"}
_MOST = {"cpus": 100_000, "gpus": 1000, "memory": 1 << 53}


@dataclass(frozen=True, slots=True)
class Project:
    """An app as its `pyproject.toml` describes it."""

    folder: Path
    name: str
    server: str
    client: str
    config: Config
    simulation: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, float] = field(
        default_factory=dict
    )  # what one task takes: cpus, gpus, memory in bytes

    def server_app(self) -> ServerApp:
        """Import the server app. Raises `ConfigError`."""
        found: ServerApp = _typed(self.server, self.folder, ServerApp, "server")
        return found

    def client_app(self) -> ClientApp:
        """Import the client app. Raises `ConfigError`."""
        found: ClientApp = _typed(self.client, self.folder, ClientApp, "client")
        return found

    def digest(self) -> str:
        """`sha256:<hex>` of its sources: another value means that the code has changed."""
        hasher = hashlib.sha256()
        packages = {ref.partition(":")[0].partition(".")[0] for ref in (self.server, self.client)}
        for package in sorted(packages):
            found = [self.folder / f"{package}.py", *sorted((self.folder / package).rglob("*.py"))]
            for path in (p for p in found if p.is_file()):
                hasher.update(str(path.relative_to(self.folder)).encode() + b"\0" + path.read_bytes())
        return f"sha256:{hasher.hexdigest()}"


def read_project(folder: str | Path) -> Project:
    """Read the app in a folder. Raises `ConfigError` naming what is missing, unknown, or of the wrong type."""
    folder = Path(folder).resolve()
    path = folder / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        mend = "change into an app's folder, name it (`atoll run FOLDER`), or make one with `atoll new`"
        raise ConfigError("project.missing", f"there is no pyproject.toml in {folder}", mend) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("project.malformed", f"{path} can't be read: {error}", "mend the file") from error
    table = _inside(document, "tool").get("atoll")
    if not isinstance(table, dict):
        raise ConfigError(
            "project.no-atoll",
            f"{path} has no [tool.atoll] table",
            "make an app with `atoll new`, and compare",
        )
    _known(table, _KEYS, "[tool.atoll]")
    for key in ("server", "client"):
        if not isinstance(table.get(key), str) or ":" not in table[key]:
            raise ConfigError(
                "project.no-app", f'[tool.atoll] needs {key} = "package.module:name"', f"see {path}"
            )
    simulation = _table(table, "simulation")
    _known(simulation, _SIMULATION_KEYS, "[tool.atoll.simulation]")
    name = str(_inside(document, "project").get("name", folder.name))
    config, resources = Config(_table(table, "config")), _resources(_table(table, "resources"))
    return Project(folder, name, table["server"], table["client"], config, simulation, resources)


def resolve(reference: str, folder: Path, *, what: str) -> Any:
    """The object that `package.module:name` means, seen from a folder. Raises `ConfigError`; what the module raises passes."""
    module_name, _, name = reference.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            mend = f"check `{what}` in {folder / 'pyproject.toml'}"
            raise ConfigError(
                "project.no-module", f"{what} = {reference!r}: there is no module `{missing}`", mend
            ) from error
        mend = f"install it: pip install {missing}"
        raise ConfigError(
            "project.missing-package", f"{module_name} needs the package `{missing}`", mend
        ) from error
    try:
        return getattr(found, name)
    except AttributeError:
        known = [n for n in vars(found) if not n.startswith("_")]
        raise ConfigError(
            "project.no-object", f"{module_name} has no `{name}`", suggestion(name, known)
        ) from None


def _typed(reference: str, folder: Path, kind: type[Any], what: str) -> Any:
    found = resolve(reference, folder, what=what)
    if not isinstance(found, kind):
        mend = f"make it one: app = atoll.{kind.__name__}()"
        raise ConfigError(
            "project.wrong-type",
            f"{what} = {reference!r} is a {type(found).__name__}, not a {kind.__name__}",
            mend,
        )
    return found


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(
            "project.bad-type", f"[tool.atoll] {key} is a table, not {value!r}", f"write [tool.atoll.{key}]"
        )
    return value


def _resources(table: Mapping[str, Any]) -> dict[str, float]:
    _known(table, set(_MOST), "[tool.atoll.resources]")
    found: dict[str, float] = {}
    for key, value in table.items():
        number = nbytes(value) if key == "memory" and isinstance(value, str) else value
        fits = (int, float) if key == "cpus" else (int,)
        if isinstance(number, bool) or not isinstance(number, fits) or not 0 <= number < _MOST[key]:
            mend = {"cpus": "cpus = 2", "gpus": "gpus = 1", "memory": 'memory = "4 GB"'}[key]
            raise ConfigError(
                "project.bad-resources",
                f"[tool.atoll.resources] {key} = {value!r:.80} is no such number",
                mend,
            )
        found[key] = number
    return found


def _inside(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(
                "project.unknown-key", f"{where} has no `{key}`", suggestion(key, known, what="keys")
            )
