"""What a node's owner gives, and what of it a task takes, before there is any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from node_world import spec

from atoll.service.node import _machine
from atoll.service.node._resources import VISIBLE, resources
from atoll.values import ConfigError


def test_a_task_takes_a_cpu_for_each_thread_that_there_can_be_unless_it_says_otherwise():
    here = resources({"cpus": 4})
    for threads, asked, taken in [(3, 0, 3.0), (8, 0, 4.0), (3, 2, 2.0), (1, 8, 8.0)]:
        run = replace(spec(cpus=asked), threads=threads)
        assert here.needs(run).cpus == taken
        assert bool(here.lacks(run)) == (taken > 4)


def test_what_the_owner_did_not_say_is_found_out():
    found = resources({}, {VISIBLE: "4,GPU-7,-1,5"})
    assert found.cpus >= 1
    assert found.memory > 1 << 20
    assert found.devices == ("4", "GPU-7")
    assert found.document() == {"cpus": found.cpus, "gpus": 2.0, "memory": found.memory}


@pytest.mark.parametrize(
    ("limits", "cpus", "memory"),
    [
        ({"cpu.max": "100000 100000", "memory.max": "1000000"}, 1.0, 1e6),
        ({"cpu.max": "max 100000", "memory.max": "max"}, None, None),
        ({"cpu.max": "100000000 100000", "memory.max": str(1 << 60)}, None, None),
        ({}, None, None),
    ],
    ids=["limited", "unlimited", "beyond", "none"],
)
def test_a_container_has_what_its_control_group_leaves_it(
    tmp_path: Path, limits: Any, cpus: Any, memory: Any
):
    group = tmp_path / "sys/fs/cgroup/system.slice/node.service"
    (tmp_path / "proc/self").mkdir(parents=True)
    group.mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/system.slice/node.service\n")
    for name, text in limits.items():
        (group / name).write_text(f"{text}\n")
    nowhere = tmp_path / "nowhere"
    assert _machine.cpus(tmp_path) == (cpus or _machine.cpus(nowhere))
    assert _machine.memory(tmp_path) == (memory or _machine.memory(nowhere))


@pytest.mark.parametrize(
    ("gpus", "sight", "devices"),
    [
        (2, {}, ("0", "1")),
        (1, {VISIBLE: "4,5"}, ("4",)),
        (0, {VISIBLE: "4,5"}, ()),
        (0, {}, ()),
        (None, {VISIBLE: ""}, ()),
    ],
)
def test_gpus_are_those_that_the_daemon_sees(gpus: int | None, sight: Any, devices: Any):
    assert resources({} if gpus is None else {"gpus": gpus}, sight).devices == devices


def test_a_node_does_not_give_gpus_that_it_does_not_see():
    with pytest.raises(ConfigError, match="--gpus 3, but CUDA_VISIBLE_DEVICES=4,5 shows 2"):
        resources({"gpus": 3}, {VISIBLE: "4,5"})
