"""An app in a folder, a workshop, and workers that are heard."""

from __future__ import annotations

import queue
import textwrap
from pathlib import Path
from typing import Any

from atoll.service.workshop import Prepared, Said, Worker, Workshop
from atoll.store import DirectoryStore
from atoll.wire import Manifest, Offer, RunSpec, pack_bundle, split

CLIENT = """
import os, signal, subprocess, sys
import numpy as np
import atoll

app = atoll.ClientApp()

@app.train
def train(model, ctx):
    seen = ctx.state.get("seen", 0) + 1
    ctx.state["seen"] = seen
    print("training", ctx.node)
    noise = ctx.rng.standard_normal(3).astype("f4")
    return atoll.Update({"w": model["w"] * 2, "noise": noise} if "noise" in model else {"w": model["w"] * 2},
                        weight=3, metrics={"seen": seen, "beds": ctx.site.get("beds", 0), "round": ctx.round})

@app.evaluate
def evaluate(ctx):
    raise ValueError("no such luck")

@app.query
def die(ctx):
    os.kill(os.getpid(), signal.SIGKILL)

@app.query
def spawn(ctx):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return {"pid": child.pid, "group": os.getpgrp()}

@app.query
def hang(ctx):
    import threading
    threading.Event().wait()

@app.query
def look(ctx):
    rows = {name: len(ctx.data[name]) for name in ctx.data}
    return {"sum": float(sum(t["x"].sum() for t in ctx.data.values())), **rows}

@app.query
def mapped(model, ctx):
    import mmap
    base = model["w"]
    while getattr(base, "base", None) is not None:
        base = base.base
    held = base.obj if isinstance(base, memoryview) else base
    return {"mapped": isinstance(held, mmap.mmap), "writable": bool(model["w"].flags.writeable), "threads": os.environ["OMP_NUM_THREADS"]}
"""
DATA = """
import numpy as np
from atoll.data import Table

def load():
    return {"train": Table(x=np.arange(100.0)), "test": Table(x=np.arange(20.0))}
"""
PROJECT = """
[project]
name = "shop"
version = "0.1.0"
dependencies = ["atoll", "numpy"]

[tool.atoll]
server = "shop.server:app"
client = "shop.client:app"
"""


def written(folder: Path, **files: str) -> Path:
    """The app, with some files changed: `client="..."`."""
    given = {
        "client": CLIENT,
        "data": DATA,
        "server": "import atoll\napp = atoll.ServerApp()\n",
        "__init__": "",
        **files,
    }
    (folder / "shop").mkdir(parents=True, exist_ok=True)
    for name, text in given.items():
        (folder / "shop" / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    return folder


class Bench:
    """A node's folders, and the workers that work in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = written(folder / "app")
        self.store = DirectoryStore(folder / "objects", reserve=0)
        self.workshop = Workshop(folder / "workshop")
        self.workers: list[Worker] = []

    def prepared(self) -> Prepared:
        bundle = pack_bundle(self.app)
        return self.workshop.prepare(bundle.digest, lambda: bundle.body)

    def worker(
        self, prepared: Prepared | None = None, **changed: Any
    ) -> tuple[Worker, queue.SimpleQueue[Any]]:
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        spool = self.folder / f"spool-{len(self.workers)}"
        spool.mkdir()
        options = {"node": "node-1", "data": {}, "config": {}, **changed}
        spec = options.pop("spec", None) or self.spec()
        worker = Worker(prepared or self.prepared(), spec, objects=self.folder / "objects", spool=spool,
                        hear=lambda _, word: told.put(word), **options)  # fmt: skip
        self.workers.append(worker)
        return worker, told

    def spec(self, **changed: Any) -> RunSpec:
        return RunSpec(**{"run": "r1", "name": "run", "federation": "f", "bundle": "sha256:" + 64 * "0", "seed": 7, "client": "shop.client:app",
                          "nodes": ["node-0", "node-1"], **changed})  # fmt: skip

    def offer(
        self, action: str, payload: dict[str, Any] | None = None, *, round: int = 1, key: str = "1.0.0.node-1"
    ) -> Offer:
        manifest = Manifest()
        if payload is not None:
            manifest, blobs = split(payload)
            self.store.put_all(blobs)
        return Offer(
            run="r1",
            key=key,
            digest="sha256:" + 64 * "1",
            seq=1,
            action=action,
            task=manifest,
            round=round,
            ordinal=0,
            seed=99,
        )


def word(told: queue.SimpleQueue[Any], *, lines: list[Said] | None = None) -> Any:
    """The next thing that a worker tells, other than lines."""
    while isinstance(found := told.get(timeout=60), Said):
        if lines is not None:
            lines.append(found)
    return found
