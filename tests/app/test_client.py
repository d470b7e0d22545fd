"""A client's functions get what they name, mods stand around them, and what they return is checked."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from atoll import Arrays, ClientApp, Config, Context, Task, Update
from atoll.app import Bench, Broken, Call, Done, perform
from atoll.values import AtollError, ConfigError, NotFound

MODEL = Arrays(w=np.zeros(3, "f4"))


def outcome(app: ClientApp, task: Task, bench: Bench | None = None, **state: Any) -> Done | Broken:
    return perform(app, bench or Bench(Config({"lr": 0.1})), Call(1, "node-0", task, 1, 0, 7, state))


def said(function: Callable[..., Any], **payload: Any) -> Any:
    app = ClientApp()
    app.query(function)
    found = outcome(app, Task(function.__name__, payload))
    return found.update.metrics.plain() if isinstance(found, Done) else found.message


class Trainer:
    def train(self, model: Any, ctx: Context) -> dict[str, Any]:
        return {"names": ",".join(model), "node": ctx.node}


def noted(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_parameters_are_filled_by_name_in_any_order() -> None:
    def ask(ctx: Context, b: int, *, a: int, c: int = 5, d: int = 6) -> dict[str, Any]:
        return {"all": f"{a} {b} {c} {d} {ctx.node}"}

    assert said(ask, a=1, b=2, c=3, unused=9) == {"all": "1 2 3 6 node-0"}


def test_whatever_else_there_is_goes_into_the_rest() -> None:
    def ask(a: int, **rest: Any) -> dict[str, Any]:
        return {"rest": ",".join(sorted(rest)), "a": a}

    assert said(ask, a=1, b=2, c=3) == {"rest": "b,c", "a": 1}


def test_a_payload_that_is_missing_is_told_with_what_there_is() -> None:
    def ask(edges: Any) -> None: ...

    assert said(ask, edge=1).startswith("AtollError: `ask` takes `edges`, the task holds edge")


def test_methods_and_decorated_functions_are_functions_too() -> None:
    app = ClientApp()
    app.train(Trainer().train)
    task = Task("train", {"model": MODEL}, alike=False)
    assert outcome(app, task).update.metrics.plain() == {"names": "w", "node": "node-0"}

    @noted
    def ask(ctx: Context, a: int) -> dict[str, Any]:
        return {"a": a, "node": ctx.node}

    assert said(ask, a=1) == {"a": 1, "node": "node-0"}


def test_one_function_for_each_action() -> None:
    app = ClientApp()
    app.train(lambda model: None)
    with pytest.raises(ConfigError, match="twice"):
        app.train(lambda model: None)


def test_mods_stand_around_the_function_the_first_outermost() -> None:
    order: list[str] = []

    def mod(name: str) -> Any:
        def around(task: Task, ctx: Context, call: Any) -> Update:
            order.append(f"{name} in")
            update = call(Task(task.action, {**task.payload, name: 1}), ctx)
            order.append(f"{name} out")
            return Update(weight=update.weight + 1)

        return around

    app = ClientApp(mods=[mod("outer"), mod("inner")])

    @app.query
    def ask(**rest: Any) -> Update:
        order.append(",".join(rest))
        return Update(weight=1)

    assert outcome(app, Task("ask")).update.weight == 3
    assert order == ["outer in", "inner in", "outer,inner", "inner out", "outer out"]


def test_a_lifespan_goes_around_all_tasks_of_a_worker() -> None:
    app, lived = ClientApp(), []

    @app.lifespan
    def life(config: Config) -> Any:
        lived.append(f"begins {config.lr}")
        yield "shared"
        lived.append("ends")

    @app.query
    def ask(ctx: Context) -> dict[str, Any]:
        lived.append(ctx.shared)
        return {}

    bench = Bench(Config({"lr": 0.1}))
    with app.alive(bench):
        outcome(app, Task("ask"), bench)
        outcome(app, Task("ask"), bench)
    assert lived == ["begins 0.1", "shared", "shared", "ends"]


def test_kept_objects_are_made_once() -> None:
    class A:
        @classmethod
        def make(cls, *args: int) -> list[Any]:
            made.append((cls.__name__, args))
            return [cls, args]

    class B(A): ...

    app, made = ClientApp(), []

    @app.query
    def ask(ctx: Context) -> dict[str, Any]:
        same = ctx.keep(A.make, 1) is ctx.keep(A.make, 1)
        others = ctx.keep(A.make, 2) is not ctx.keep(A.make, 1) and ctx.keep(B.make, 1) is not ctx.keep(
            A.make, 1
        )
        anew = ctx.keep(lambda: A.make(9)) is not None and ctx.keep(functools.partial(A.make, 3)) is ctx.keep(
            functools.partial(A.make, 3)
        )
        return {"same": same, "others": others, "anew": anew}

    bench = Bench(Config())
    for _ in range(2):
        assert outcome(app, Task("ask"), bench).update.metrics.plain() == {
            "same": True,
            "others": True,
            "anew": True,
        }
    assert sorted(made) == [("A", (1,)), ("A", (2,)), ("A", (3,)), ("A", (9,)), ("B", (1,))]


def test_data_are_opened_once_and_told_by_name() -> None:
    opened: list[str] = []

    def data(node: str) -> dict[str, Any]:
        opened.append(node)
        return {"train": [1, 2], "test": [3]}

    app = ClientApp()

    @app.query
    def ask(ctx: Context) -> dict[str, Any]:
        assert "train" in ctx.data
        assert len(ctx.data) == 2
        return {"rows": len(ctx.data["train"]), "bad": len(ctx.data["trian"])}

    found = outcome(app, Task("ask"), Bench(Config(), data=data))
    assert isinstance(found, Broken)
    assert "did you mean `train`" in found.message
    assert opened == ["node-0"]


def test_state_is_copied_on_the_way_in_and_out() -> None:
    app, array = ClientApp(), np.zeros(2)

    @app.query
    def ask(ctx: Context) -> dict[str, Any]:
        ctx.state["a"] = Arrays(x=array)
        array[:] = 7
        ctx.state["l"] = [1]
        ctx.state["l"].append(2)
        del ctx.state["old"]
        with pytest.raises(AtollError, match=r"atoll\.Arrays"):
            ctx.state["bare"] = array
        with pytest.raises(AtollError):
            ctx.state["odd"] = object()
        return {}

    given = {"old": [1], "kept": 3}
    found = outcome(app, Task("ask"), **given)
    assert isinstance(found, Done)
    assert dict(found.state or {}) == {"kept": 3, "a": Arrays(x=np.zeros(2)), "l": [1]}
    assert given == {"old": [1], "kept": 3}


def test_state_that_was_only_read_has_not_changed() -> None:
    app = ClientApp()
    app.query(_reads)
    assert outcome(app, Task("_reads"), x=1).state is None


def _reads(ctx: Context) -> dict[str, Any]:
    return {"x": ctx.state["x"], "n": len(ctx.state), "missing": ctx.state.get("y", 0)}


def test_unlike_arrays_are_welcome_where_the_task_says_so() -> None:
    app = ClientApp()
    app.train(lambda model: Update({"w": np.float64([1, 2])}))
    assert isinstance(outcome(app, Task("train", {"model": MODEL}, alike=False)), Done)
    assert isinstance(outcome(app, Task("train", {"model": MODEL})), Broken)


@pytest.mark.parametrize(
    "value",
    [np.float32([np.nan]), np.array(np.inf), np.float32([3e38, 3e38, -3e38])],
    ids=["nan", "infinite", "large"],
)
def test_only_what_is_finite_is_folded_however_large(value: Any) -> None:
    app = ClientApp()

    def ask() -> Update:
        return Update({"x": value})

    app.query(ask)
    assert isinstance(outcome(app, Task("ask")), Done if np.isfinite(value).all() else Broken)


def test_an_update_takes_arrays_mappings_and_named_payloads() -> None:
    assert Update(MODEL).payload == {"model": MODEL}
    assert Update({"w": np.zeros(3, "f4")}).payload == {"model": MODEL}
    assert Update({"model": MODEL, "n": 1}).payload == {"model": MODEL, "n": 1}
    assert Update().payload == {}
    for bad in (3, [1], "x"):
        with pytest.raises(AtollError) as refused:
            Update(bad)  # type: ignore[arg-type]
        assert refused.value.code == "update.bad-arrays"


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "x", None, [1]])
def test_a_weight_is_finite_and_not_negative(weight: Any) -> None:
    with pytest.raises(AtollError) as refused:
        Update(weight=weight)
    assert refused.value.code == "update.bad-weight"


def test_a_tasks_digest_is_its_content() -> None:
    task = Task("train", {"model": MODEL, "n": 1})
    assert task.digest() == Task("train", {"model": Arrays(w=np.zeros(3, "f4")), "n": 1}).digest()
    others = [
        Task("x", task.payload),
        Task("train", {"model": MODEL}),
        Task("train", task.payload, {"lr": 1}),
        Task("train", task.payload, alike=False),
    ]
    assert len({task.digest(), *(t.digest() for t in others)}) == 5
    with pytest.raises(AtollError):
        Task("train", {"ctx": 1})
    with pytest.raises(AtollError):
        Task("train", config={"x": object()})


def test_what_is_not_there_is_told(tmp_path: Any) -> None:
    with pytest.raises(NotFound):
        _ = Context(Bench(Config()), Task("x"), node="n", round=1, seed=1, state={}).data["train"]
