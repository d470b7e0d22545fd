"""Config: an app's settings, each of the type of its default.

Doesn't know where defaults and overrides come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from atoll.values._errors import ConfigError
from atoll.values._names import suggestion
from atoll.values._payload import fresh

T = TypeVar("T")


class _Unknown(ConfigError, KeyError, AttributeError):
    """An unknown key, for `hasattr`, `getattr` with a default and `get` too."""


class Config(Mapping[str, Any]):
    """An immutable mapping whose keys are attributes too: `config.lr`, `config["lr"]`; tables nest: `config.model.width`.

    Raises `ConfigError` (`config.unknown-key`) with the nearest key for one that is not there.
    """

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        nested = {k: Config(v) if isinstance(v, Mapping) else v for k, v in (values or {}).items()}
        object.__setattr__(self, "_values", nested)

    def __getitem__(self, key: str) -> Any:
        try:
            return fresh(self._values[key])
        except KeyError:
            raise _unknown(key, self._values) from None

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        return self[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._values else default

    def __setattr__(self, key: str, value: object) -> None:
        raise ConfigError(
            "config.frozen",
            f"config.{key} can't be assigned: a run's config never changes",
            f"use --set {key}=...",
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Config({self.plain()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Config, (self.plain(),)

    def plain(self) -> dict[str, Any]:
        """A fresh plain dictionary."""
        return {k: v.plain() if isinstance(v, Config) else fresh(v) for k, v in self._values.items()}

    def to(self, type: type[T]) -> T:
        """The config as a dataclass or a msgspec Struct of your own. Raises `ConfigError` (`config.bad-type`)."""
        try:
            return msgspec.convert(self.plain(), type)
        except msgspec.ValidationError as error:
            raise ConfigError("config.bad-type", f"the config is no {type.__name__}: {error}") from error

    def override(self, changes: Mapping[str, Any]) -> Config:
        """A config with some values changed; `{"model.width": 3}` reaches into a table.

        Texts are read as the type of the default; anything else must be of that type (an int will do for a float).
        Raises `ConfigError` (`config.unknown-key`, `config.bad-type`).
        """
        values = self.plain()
        for path, value in changes.items():
            _assign(values, path, value)
        return Config(values)

    def extend(self, extra: Mapping[str, Any]) -> Config:
        """A config with values changed or added, of any type."""
        return Config({**self.plain(), **extra}) if extra else self


def _assign(values: dict[str, Any], path: str, value: Any) -> None:
    table = values
    *tables, key = path.split(".")
    for step in tables:
        inner = table.get(step)
        if not isinstance(inner, dict):
            raise _unknown(path, _paths(values))
        table = inner
    if key not in table:
        raise _unknown(path, _paths(values))
    table[key] = _converted(path, value, table[key])


def _converted(path: str, value: Any, default: Any) -> Any:
    wanted = type(default)
    if isinstance(value, str) and wanted is not str:
        value = _read(path, value, wanted)
    if wanted is float and type(value) is int and abs(value) < 1 << 1023:
        return float(value)
    if type(value) is not wanted and default is not None:
        raise _bad_type(path, value, wanted)
    return value


def _read(path: str, text: str, wanted: type) -> Any:
    """A text as a TOML value, which is what the default was written in."""
    import tomllib

    if wanted is bool and text.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        return text.lower() in ("true", "yes", "on", "1")
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        raise _bad_type(path, text, wanted) from None


def _bad_type(path: str, value: Any, wanted: type) -> ConfigError:
    kind = {
        "float": "a number",
        "int": "a whole number",
        "bool": "true or false",
        "list": "a list",
        "dict": "a table",
    }
    return ConfigError(
        "config.bad-type",
        f"`{path}` takes {kind.get(wanted.__name__, wanted.__name__)}, not {value!r}",
        f"its default in [tool.atoll.config] is of type {wanted.__name__}; change the default to change the type",
    )


def _paths(values: Mapping[str, Any], before: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        found += _paths(value, f"{before}{key}.") if isinstance(value, Mapping) else [before + key]
    return found


def _unknown(key: str, known: Any) -> ConfigError:
    return _Unknown(
        "config.unknown-key", f"there is no config value `{key}`", suggestion(key, known, what="keys")
    )
