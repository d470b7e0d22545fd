"""A worker loads an app once, performs calls one after the other, and leaves its answers in files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from shop_world import word, written

from atoll.runtime import Parts
from atoll.service.workshop import Did, Failed, Ready, Said, Spare, Unfit
from atoll.values import Arrays, map_file, unpack
from atoll.wire import join


def opened(did):
    return lambda digest: memoryview(Path(did.files[digest]).read_bytes())


def test_a_call_is_performed_and_its_arrays_lie_in_files(bench, model):
    worker, told = bench.worker(config={"beds": 120})
    assert isinstance(word(told), Ready)
    worker.give(bench.offer("train", model, round=4))
    did = word(told)
    assert isinstance(did, Did)
    assert (did.key, did.weight, did.metrics) == ("1.0.0.node-1", 3.0, {"seen": 1, "beds": 120, "round": 4})
    for digest, path in did.files.items():
        assert digest == f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
    assert np.array_equal(join(did.payload, opened(did))["model"]["w"], model["model"]["w"] * 2)


def test_a_spare_is_hired_for_whichever_app_fits(bench, model):
    prepared = bench.prepared()
    spare = Spare(bench.workshop.usual, threads=1, folder=bench.folder)
    assert spare.fits(prepared, 1)
    assert not spare.fits(prepared, 2)
    worker, told = bench.worker(prepared, spare=spare)
    assert worker.pid == spare.child.pid
    assert isinstance(word(told), Ready)
    worker.give(bench.offer("train", model))
    assert word(told).metrics["seen"] == 1


def test_a_spare_that_dies_fits_nothing_and_who_hired_it_just_then_hears_so(bench):
    prepared = bench.prepared()
    spare = Spare(prepared, threads=1, folder=bench.folder)
    os.kill(spare.child.pid, signal.SIGKILL)
    worker, told = bench.worker(prepared, spare=spare)
    assert word(told) is None
    assert worker.how_it_ended() == "signal SIGKILL"
    assert not spare.fits(prepared, 1)


def test_the_model_is_mapped_and_read_only_and_libraries_have_one_thread(bench, model):
    worker, told = bench.worker()
    word(told)
    worker.give(bench.offer("mapped", model))
    assert word(told).metrics == {"mapped": True, "writable": False, "threads": "1"}


def test_state_goes_from_call_to_call_by_files(bench, model):
    worker, told = bench.worker()
    word(told)
    worker.give(bench.offer("train", model))
    first = word(told)
    assert unpack(map_file(Path(first.state))[0]) == {"seen": 1}
    worker.give(bench.offer("train", model), Path(first.state))
    assert word(told).metrics["seen"] == 2
    worker.give(bench.offer("train", model))  # from the beginning again: what counts is in the file
    assert word(told).metrics["seen"] == 1


def test_a_call_that_leaves_the_state_as_it_was_has_none(bench, model):
    worker, told = bench.worker()
    word(told)
    worker.give(bench.offer("mapped", model))
    assert word(told).state is None


def test_what_is_printed_comes_as_lines_before_the_result(bench, model):
    worker, told = bench.worker()
    lines: list[Said] = []
    word(told)
    worker.give(bench.offer("train", model, round=5))
    word(told, lines=lines)
    assert lines == [Said("output", "training node-1", 5)]


def test_an_exception_is_a_failed_call_with_the_users_traceback(bench):
    worker, told = bench.worker()
    word(told)
    worker.give(bench.offer("evaluate"))
    failed = word(told)
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.message) == ("raised", "ValueError: no such luck")
    assert "client.py" in failed.traceback
    assert "perform" not in failed.traceback
    worker.give(bench.offer("mapped", {"model": Arrays(w=np.zeros(3))}))  # and it goes on
    assert isinstance(word(told), Did)


def test_a_task_whose_objects_are_gone_is_lost(bench, model):
    worker, told = bench.worker()
    word(told)
    offer = bench.offer("train", model)
    for digest in offer.task.objects:
        bench.store.remove(digest)
    worker.give(offer)
    failed = word(told)
    assert (failed.kind, "there is no object" in failed.message) == ("lost", True)


def test_the_end_of_a_worker_is_heard_with_how(bench):
    worker, told = bench.worker()
    word(told)
    worker.give(bench.offer("die"))
    assert word(told) is None
    assert worker.how_it_ended() == "signal SIGKILL"


def test_a_worker_that_is_told_to_end_finishes_what_it_has(bench, model):
    worker, told = bench.worker()
    word(told)
    worker.give(bench.offer("train", model))
    worker.end()
    assert isinstance(word(told), Did)
    assert word(told) is None
    assert worker.how_it_ended() == "exit status 0"


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_what_a_worker_started_ends_with_it(bench):
    worker, told = bench.worker()
    word(told)
    worker.give(bench.offer("spawn"))
    did = word(told)
    assert did.metrics["group"] == worker.pid
    worker.end(kill=True)
    assert word(told) is None  # its pipes are closed, so nobody is left that has them
    _gone(lambda: os.killpg(worker.pid, 0))


def test_an_app_that_cannot_be_loaded_is_unfit(bench):
    written(bench.app, client="import atoll\nimport no_such_package\n")
    _, told = bench.worker()
    unfit = word(told)
    assert isinstance(unfit, Unfit)
    assert unfit.code == "project.missing-package"
    assert "no_such_package" in unfit.message
    assert word(told) is None


def test_data_are_what_the_owner_named_and_opened_when_asked_for(bench, tmp_path):
    np.savez(tmp_path / "own.npz", x=np.ones(5))
    (tmp_path / "more.csv").write_text("x,name\n1,a\n2.5,b\n", encoding="utf-8")
    sources = {"train": str(tmp_path / "own.npz"), "test": str(tmp_path / "more.csv")}
    worker, told = bench.worker(data=sources)
    assert word(told).data == ["test", "train"]
    worker.give(bench.offer("look"))
    assert word(told).metrics == {"sum": 8.5, "train": 5, "test": 2}


def test_simulated_data_are_the_part_that_a_simulation_deals(bench):
    spec = bench.spec(data="shop.data:load", partition={"by": "iid"})
    worker, told = bench.worker(spec=spec, data={"simulated": "simulated"})
    word(told)
    worker.give(bench.offer("look"))
    found = word(told).metrics
    sys.path.insert(0, str(bench.app))
    try:
        from shop.data import load  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(bench.app))
    part = Parts(load, {"by": "iid"}, ["node-0", "node-1"], 7)("node-1")
    assert found == {
        "sum": float(part["train"]["x"].sum() + part["test"]["x"].sum()),
        "train": len(part["train"]),
        "test": len(part["test"]),
    }


def test_a_check_opens_the_data_and_tells_versions(bench, tmp_path):
    np.savez(tmp_path / "own.npz", x=np.ones(5))
    _, told = bench.worker(data={"train": str(tmp_path / "own.npz")}, check=True)
    assert word(told).versions["numpy"] == np.__version__
    _, told = bench.worker(data={"train": str(tmp_path / "gone.npz")}, check=True)
    unfit = word(told)
    assert (unfit.code, "gone.npz" in unfit.message) == ("data.no-file", True)


def test_the_app_runs_in_its_own_folder_and_nothing_is_written_there(bench, model):
    prepared = bench.prepared()
    before = sorted(p.name for p in prepared.folder.rglob("*"))
    worker, told = bench.worker(prepared)
    word(told)
    worker.give(bench.offer("train", model))
    word(told)
    assert sorted(p.name for p in prepared.folder.rglob("*")) == before


def test_a_worker_ends_when_its_daemon_does(bench, tmp_path):
    import subprocess
    import textwrap

    prepared = bench.prepared()
    script = textwrap.dedent(
        f"""
        import os, sys, queue
        from pathlib import Path
        from atoll.service.workshop import Prepared, Worker
        from atoll.wire import RunSpec
        told = queue.SimpleQueue()
        spec = RunSpec(run="r", name="r", federation="f", bundle="sha256:" + 64 * "0", client="shop.client:app")
        prepared = Prepared(Path({str(prepared.folder)!r}), sys.executable, {prepared.path!r})
        worker = Worker(prepared, spec, node="n", data={{}}, config={{}}, objects=Path("."), spool=Path("."), hear=lambda _, word: told.put(word))
        told.get()
        print(worker.pid, flush=True)
        os._exit(1)
        """
    )
    daemon = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    pid = int(daemon.stdout.readline())
    daemon.wait()
    _gone(lambda: os.kill(pid, 0))


def _gone(look):
    """Return once there is no such process."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            look()
