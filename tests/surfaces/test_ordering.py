"""What a user signs when they begin a run somewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atoll.app import Project, read_project
from atoll.identity import IdentityError, Key, RunOrder, Signed, check
from atoll.surfaces import _faraway
from atoll.surfaces._faraway import Faraway
from atoll.surfaces._ordering import PREFLIGHT, RUN, ordered
from atoll.surfaces._places import Place
from atoll.wire import Check, Checked, NewRun, RunInfo, settings_of_app

BUNDLE = "sha256:" + "a" * 64
APP = {"name": "a", "project": "/home/sam/a", "client": "c:app", "server": "s:app", "data": "d:rows"}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    Key.make().save(tmp_path / "key.pem")
    return tmp_path / "key.pem"


def said(order: Any) -> RunOrder:
    return check(Signed(order.kind, order.body, order.by, order.signature), RunOrder)


def test_a_run_is_ordered_by_its_user_for_its_nodes_with_its_settings(key: Path):
    new = NewRun(federation="heart", bundle=BUNDLE, app=APP, id="r1", config={"lr": 0.1}, seed=3, nodes=["n"])
    signed = ordered(new, key, now=lambda: 1000.9)
    assert signed.order is not None
    assert signed.order.by == Key.load(key).public.text
    settings = settings_of_app(APP, config={"lr": 0.1}, seed=3, threads=1, needs=new.needs)
    assert said(signed.order) == RunOrder(
        run="r1", federation="heart", bundle=BUNDLE, settings=settings, issued=1000, expires=1000 + RUN,
        nodes=("n",),
    )  # fmt: skip


def test_a_run_and_a_preflight_without_an_id_get_one(key: Path):
    run = ordered(NewRun(federation="heart", bundle=BUNDLE, app=APP), key)
    asked = ordered(Check(federation="heart", bundle=BUNDLE, app=APP), key, now=lambda: 1000.0)
    assert said(run.order).run == run.id != ""
    assert said(asked.order).run == asked.id
    assert asked.id.startswith("check-")
    assert said(asked.order).expires == 1000 + PREFLIGHT


def test_a_config_that_can_not_be_signed_is_refused_before_anything_is_sent(key: Path):
    deep: Any = 1
    for _ in range(50):
        deep = [deep]
    with pytest.raises(IdentityError, match="too deep"):
        ordered(NewRun(federation="heart", bundle=BUNDLE, app=APP, config={"deep": deep}), key)


class _Client:
    """A coordinator that keeps what it is asked."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.asked: list[Any] = []

    def call(self, method: str, path: str, body: Any, answer: Any, **_: Any) -> Any:
        self.asked.append(body)
        return RunInfo(summary={}, federation="heart") if answer is RunInfo else Checked()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "a"\nversion = "1"\n[tool.atoll]\nserver = "s:app"\nclient = "c:app"\n[tool.atoll.config]\nlr = 0.1\n'
    )
    return read_project(folder)


def there(monkeypatch: pytest.MonkeyPatch, key: str) -> Faraway:
    monkeypatch.setattr(_faraway, "Client", _Client)
    monkeypatch.setattr(_faraway, "push", lambda *_: None)
    return Faraway(Place(url="http://there", federation="heart", key=key))


def test_where_the_user_has_a_key_runs_and_preflights_are_signed(
    monkeypatch: pytest.MonkeyPatch, project: Project, key: Path
):
    far = there(monkeypatch, str(key))
    far.begin(project, project.config, seed=0)
    far.check(project, project.config)
    run, asked = far.client.asked  # type: ignore[attr-defined]
    assert said(run.order).run == run.id
    assert said(run.order).bundle == run.bundle
    assert said(asked.order).run == asked.id


def test_where_there_is_none_nothing_is_signed_and_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, project: Project
):
    far = there(monkeypatch, "")
    far.begin(project, project.config, seed=0)
    far.check(project, project.config)
    run, asked = far.client.asked  # type: ignore[attr-defined]
    assert (run.order, asked.order, asked.id) == (None, None, "")
