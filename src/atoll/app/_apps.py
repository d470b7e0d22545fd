"""ClientApp and ServerApp: what a user registers functions on.

Doesn't know who calls them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any, TypeAlias, TypeVar

from atoll.app._context import Bench, Context
from atoll.app._task import Task, Update
from atoll.values import AtollError, ConfigError, fresh, suggestion

Mod: TypeAlias = Callable[[Task, Context, Callable[[Task, Context], Update]], Update]
F = TypeVar("F", bound=Callable[..., Any])

_TAKES_ANY = 0x08  # the flag of a code object whose function has **names


class ClientApp:
    """What runs where the data is.

    `@app.train`, `@app.evaluate` and `@app.query` register one function each (queries by name: the task
    `Task("histogram", ...)` runs the query function `histogram`). A function's parameters are filled by name from the
    task's payload; `ctx` is the Context. It returns an `Update`, a mapping of metrics, or nothing.

    `mods` are stages around every function, the first one outermost: `mod(task, ctx, call)` returns
    `call(task, ctx)`, with whatever it does before and after.
    """

    def __init__(self, *, mods: Sequence[Mod] = ()) -> None:
        self.mods = tuple(mods)
        self.handlers: dict[str, Handler] = {}
        self._lifespan: Callable[[Any], Iterator[Any]] | None = None

    def train(self, function: F) -> F:
        """Register what a `train` task runs."""
        return self._register("train", function)

    def evaluate(self, function: F) -> F:
        """Register what an `evaluate` task runs."""
        return self._register("evaluate", function)

    def query(self, function: F) -> F:
        """Register a query under the function's own name."""
        return self._register(function.__name__, function)

    def lifespan(self, function: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
        """Register a generator that a worker runs around all its tasks: `config` in, what it yields is `ctx.shared`."""
        self._lifespan = function
        return function

    @contextlib.contextmanager
    def alive(self, bench: Bench) -> Iterator[None]:
        """The time in which a worker performs tasks."""
        if self._lifespan is None:
            yield
            return
        with contextlib.contextmanager(self._lifespan)(bench.config) as shared:
            bench.shared = shared
            yield

    def handle(self, task: Task, ctx: Context) -> Update:
        """Run the function that this task names, mods around it.

        Raises `AtollError` (`task.no-handler`, `task.missing-payload`), and what the function raises.
        """
        handler = self.handlers.get(task.action)
        if handler is None:
            mend = suggestion(task.action, self.handlers, what="actions")
            raise AtollError(
                "task.no-handler", f"the client app has nothing registered for `{task.action}`", mend
            )
        call: Callable[[Task, Context], Update] = handler
        for mod in reversed(self.mods):
            call = _around(mod, call)
        return call(task, ctx)

    def _register(self, action: str, function: F) -> F:
        if action in self.handlers:
            raise ConfigError(
                "app.registered-twice",
                f"`{action}` is registered twice on one ClientApp",
                "rename one of them",
            )
        self.handlers[action] = Handler(action, function)
        return function


class Handler:
    """A registered function, and which of a task's payloads it takes."""

    def __init__(self, action: str, function: Callable[..., Any]) -> None:
        self.action, self.function = action, function
        self._needs, self._likes, self._any = _parameters(function)

    def __call__(self, task: Task, ctx: Context) -> Update:
        payload = task.payload
        arguments: dict[str, Any] = {}
        for name in self._needs:
            if name == "ctx":
                arguments[name] = ctx
            elif name in payload:
                arguments[name] = fresh(payload[name])
            else:
                held = ", ".join(payload) or "nothing"
                mend = "name the function's parameters as the task's payload, or give the parameter a default"
                raise AtollError(
                    "task.missing-payload", f"`{self.action}` takes `{name}`, the task holds {held}", mend
                )
        for name in self._likes:
            if name == "ctx":
                arguments[name] = ctx
            elif name in payload:
                arguments[name] = fresh(payload[name])
        if self._any:
            arguments.update((n, fresh(v)) for n, v in payload.items() if n not in arguments)
        return _update(self.action, self.function(**arguments))


def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Names needed, names with a default, and whether any other will do."""
    code = function.__code__ if type(function) is FunctionType else None
    if code is None or hasattr(function, "__wrapped__"):  # methods, partials, decorated functions
        import inspect

        parameters = inspect.signature(function).parameters.values()
        needs = tuple(
            p.name
            for p in parameters
            if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        )
        likes = tuple(p.name for p in parameters if p.default is not p.empty)
        return needs, likes, any(p.kind is p.VAR_KEYWORD for p in parameters)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    with_default = {
        *names[code.co_argcount - len(getattr(function, "__defaults__", None) or ()) : code.co_argcount]
    }
    with_default |= set(getattr(function, "__kwdefaults__", None) or {})
    needs = tuple(n for n in names if n not in with_default)
    return needs, tuple(n for n in names if n in with_default), bool(code.co_flags & _TAKES_ANY)


def _update(action: str, result: Any) -> Update:
    if isinstance(result, Update):
        return result
    if result is None:
        return Update()
    if isinstance(result, dict):
        return Update(metrics=result)
    raise AtollError(
        "task.bad-result",
        f"`{action}` returned a {type(result).__name__}",
        "return atoll.Update(arrays, weight=..., metrics=...), or a dict of metrics",
    )


def _around(mod: Mod, call: Callable[[Task, Context], Update]) -> Callable[[Task, Context], Update]:
    def around(task: Task, ctx: Context) -> Update:
        return mod(task, ctx, call)

    return around


class ServerApp:
    """What decides: `@app.main` registers the one function that gets the fleet and a ServerContext.

    What it returns is the run's model: `Arrays`, a mapping of them by name, or nothing (the last committed state).
    """

    def __init__(self) -> None:
        self._main: Callable[..., Any] | None = None
        self._lifespan: Callable[[Any], Iterator[Any]] | None = None

    def main(self, function: F) -> F:
        """Register the main function: `main(fleet, ctx)`."""
        self._main = function
        return function

    def lifespan(self, function: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
        """Register a generator that runs around main: `ctx` in, what it yields is `ctx.shared`."""
        self._lifespan = function
        return function

    def run(self, fleet: Any, ctx: Any) -> Any:
        """Run main. Raises `ConfigError` (`app.no-main`), and what main raises."""
        if self._main is None:
            raise ConfigError("app.no-main", "the server app has no main function", "put @app.main above it")
        if self._lifespan is None:
            return self._main(fleet, ctx)
        with contextlib.contextmanager(self._lifespan)(ctx) as shared:
            ctx.shared = shared
            return self._main(fleet, ctx)
