"""Torch's models become Arrays and come back to the bit."""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings

import numpy as np
import pytest

from atoll import Arrays, AtollError, Mean

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from atoll.torch import get_arrays, set_arrays  # noqa: E402

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32, torch.int32, torch.uint64, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e5m2, torch.float8_e4m3fn,
]  # fmt: skip
SHAPES = [(), (0,), (3,), (2, 0, 3), (2, 3, 4)]


class Net(nn.Module):
    """Some of everything: a convolution in channels-last order, counters, a frozen layer, an empty and a 0-d buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2).to(torch.bfloat16)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.register_buffer("scale", torch.tensor(0.5, dtype=torch.float64))
        self.register_buffer("passing", torch.ones(2), persistent=False)
        self.to(memory_format=torch.channels_last)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embedding.weight


def bits(shape: tuple[int, ...], dtype: torch.dtype, *, seed: int = 0) -> torch.Tensor:
    """A tensor whose every bit is random (a truth value's is 0 or 1)."""
    generator = torch.Generator().manual_seed(seed)
    if dtype is torch.bool:
        return torch.randint(0, 2, shape, generator=generator).bool()
    width = torch.empty(0, dtype=dtype).element_size()
    raw = torch.randint(0, 256, (*shape, width), dtype=torch.uint8, generator=generator)
    return raw.view(dtype).reshape(shape)


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    def raw(t: torch.Tensor) -> bytes:
        return t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()

    return a.dtype == b.dtype and a.shape == b.shape and raw(a) == raw(b)


def code_of(call: object, *args: object, **options: object) -> str:
    with pytest.raises(AtollError) as caught:
        call(*args, **options)
    assert caught.value.mend
    return caught.value.code


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_dtype_and_shape_comes_back_to_the_bit(
    dtype: torch.dtype, shape: tuple[int, ...], tmp_path
) -> None:
    source, target = {"t": bits(shape, dtype)}, {"t": bits(shape, dtype, seed=1)}
    get_arrays(source).save(tmp_path / "model.safetensors")
    set_arrays(target, Arrays.load(tmp_path / "model.safetensors"))
    assert same_bits(source["t"], target["t"])


def test_a_module_keeps_the_names_order_and_values_of_its_state_dict() -> None:
    net = Net()
    arrays = get_arrays(net)
    assert list(arrays) == list(net.state_dict())
    assert arrays["norm.num_batches_tracked"].dtype == net.norm.num_batches_tracked.numpy().dtype == "int64"
    fresh = Net()
    set_arrays(fresh, arrays)
    assert all(
        same_bits(a, b) for a, b in zip(net.state_dict().values(), fresh.state_dict().values(), strict=True)
    )
    assert get_arrays(fresh) == arrays


def test_what_a_kept_network_learns_next_does_not_change_the_arrays() -> None:
    net = nn.Linear(3, 2)
    arrays = get_arrays(net)
    before = arrays.copy()
    with torch.no_grad():
        net.weight.add_(1)
    np.testing.assert_array_equal(arrays["weight"], before["weight"])
    assert not arrays["weight"].flags.writeable
    assert arrays.settled() is arrays


def test_arrays_are_written_in_place_so_that_optimizers_and_views_go_on() -> None:
    net = Net()
    places = {name: t.data_ptr() for name, t in net.state_dict().items()}
    set_arrays(net, get_arrays(Net()))
    assert places == {name: t.data_ptr() for name, t in net.state_dict().items()}
    assert net.convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(p.is_leaf and p.grad is None for p in net.parameters())


def test_read_only_arrays_are_set_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_arrays(Net(), get_arrays(Net()))


def test_only_what_is_trained_can_travel() -> None:
    net = Net()
    trained = get_arrays(net, trainable_only=True)
    assert set(trained) == {n for n, p in net.named_parameters() if p.requires_grad}
    other = Net()
    frozen, scale = other.frozen.weight.clone(), other.scale.clone()
    set_arrays(other, trained, trainable_only=True)
    assert get_arrays(other, trainable_only=True) == trained
    assert torch.equal(other.frozen.weight, frozen)
    assert torch.equal(other.scale, scale)
    assert code_of(set_arrays, other, trained) == "arrays.other-names"


def test_tied_weights_keep_both_names_and_share_one_array() -> None:
    net = Tied()
    arrays = get_arrays(net)
    assert list(arrays) == ["embedding.weight", "head.weight"]
    assert arrays["embedding.weight"] is arrays["head.weight"]
    other = Tied()
    set_arrays(other, Arrays(arrays.copy()))
    assert get_arrays(other) == arrays
    assert other.head.weight is other.embedding.weight
    net.load_state_dict({n: torch.from_numpy(a) for n, a in arrays.copy().items()}, strict=True)


def test_tied_weights_that_came_apart_are_refused_and_nothing_is_written() -> None:
    net = Tied()
    before, apart = get_arrays(net), get_arrays(net).copy()
    apart["head.weight"][0, 0] += 1
    assert code_of(set_arrays, net, apart) == "arrays.not-tied"
    assert get_arrays(net) == before


def test_two_names_for_different_views_of_one_memory_are_two_tensors() -> None:
    whole = torch.arange(6.0)
    arrays = get_arrays({"left": whole[:3], "right": whole[3:], "turned": whole.view(2, 3).T})
    assert arrays["right"].tolist() == [3, 4, 5]
    assert arrays["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda a: a.pop("bias"), "arrays.other-names", "missing `bias`"),
        (lambda a: a.update(extra=np.zeros(1)), "arrays.other-names", "unexpected `extra`"),
        (lambda a: a.update(bias=np.zeros(3, np.float32)), "arrays.other-shape", "`bias` is (3,), not (2,)"),
        (lambda a: a.update(bias=np.zeros(2)), "arrays.other-dtype", "`bias` is float64, not float32"),
    ],
)
def test_arrays_of_another_model_are_refused_and_nothing_is_written(change, code: str, said: str) -> None:
    net = nn.Linear(3, 2)
    before = get_arrays(net)
    arrays = {name: a + 1 for name, a in before.items()}
    change(arrays)
    with pytest.raises(AtollError) as caught:
        set_arrays(net, arrays)
    assert caught.value.code == code
    assert said in caught.value.message
    assert get_arrays(net) == before


def test_what_does_not_travel_is_named() -> None:
    assert code_of(get_arrays, {"c": torch.zeros(1, dtype=torch.complex128)}) == "arrays.bad-dtype"
    assert code_of(get_arrays, {"s": torch.eye(2).to_sparse()}) == "arrays.bad-dtype"
    assert code_of(get_arrays, {"m": torch.zeros(1, device="meta")}) == "arrays.bad-dtype"
    assert code_of(get_arrays, {"x": 3}) == "arrays.not-a-tensor"
    assert code_of(get_arrays, {"__metadata__": torch.zeros(1)}) == "arrays.bad-name"


def test_a_state_that_is_made_up_on_the_fly_is_refused_and_not_lost() -> None:
    def pack(module, state, prefix, metadata):
        state[f"{prefix}packed"] = torch.cat(
            [state.pop(f"{prefix}weight").flatten(), state.pop(f"{prefix}bias")]
        )

    net = nn.Linear(2, 2)
    net.register_state_dict_post_hook(pack)
    assert code_of(set_arrays, net, get_arrays(net)) == "arrays.not-set"


def test_conjugates_and_negatives_are_taken_by_value() -> None:
    z = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex64)
    arrays = get_arrays({"conjugate": z.conj(), "negative": z.conj().imag})
    assert arrays["conjugate"].tolist() == [1 - 2j, 3 + 4j]
    assert arrays["negative"].tolist() == [-2, 4]


def test_a_trained_step_after_setting_is_the_step_of_a_twin() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    twin = copy.deepcopy(net)
    other = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    set_arrays(other, get_arrays(net))
    x = torch.randn(5, 4)
    for module, step in ((twin, torch.optim.SGD(twin.parameters(), lr=0.1)), (other, optimizer)):
        module(x).sum().backward()
        step.step()
    assert get_arrays(twin) == get_arrays(other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_on_a_gpu_go_and_come_too(dtype: torch.dtype) -> None:
    source, target = bits((2, 3), dtype), bits((2, 3), dtype, seed=1).cuda()
    place = target.data_ptr()
    set_arrays({"t": target}, get_arrays({"t": source.cuda()}))
    assert target.data_ptr() == place
    assert same_bits(source, target)


def test_without_torch_the_error_says_how_to_install_it() -> None:
    script = "import sys; sys.modules['torch'] = None\nimport atoll.torch"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ModuleNotFoundError: atoll.torch needs torch; install it: pip install torch" in done.stderr


def test_the_face_imports_torch_and_the_package_does_not() -> None:
    script = "import sys, atoll, atoll.frameworks; atoll.fit, atoll.simulate, atoll.numpy; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class Answer(dict):
    """A reply as a fold sees it."""

    weight = 1.0

    def __init__(self, index: int, arrays: Arrays) -> None:
        super().__init__(model=arrays)
        self.index = index

    def folded(self) -> None:
        """Its arrays are no longer needed."""


def test_batchnorms_statistics_travel_in_their_own_dtypes_and_are_averaged_like_weights() -> None:
    nets = [nn.BatchNorm1d(2), nn.BatchNorm1d(2)]
    for net, passes in zip(nets, (1, 4), strict=True):
        for _ in range(passes):
            net(torch.arange(6.0).reshape(3, 2) * passes)
    mean = Mean()
    for index, net in enumerate(nets):
        mean.add(Answer(index, get_arrays(net)))
    averaged = mean.finish()
    assert averaged["num_batches_tracked"].dtype == "int64"
    assert averaged["num_batches_tracked"] in (2, 3)
    expected = (nets[0].running_var + nets[1].running_var).numpy() / 2
    np.testing.assert_allclose(averaged["running_var"], expected, rtol=1e-6)
    set_arrays(nets[0], averaged)


def test_passing_buffers_stay_and_extra_state_that_is_no_tensor_is_refused() -> None:
    class Odd(nn.Linear):
        def get_extra_state(self) -> object:
            return {"step": 3}

    assert "passing" not in get_arrays(Net())
    assert code_of(get_arrays, Odd(2, 2)) == "arrays.not-a-tensor"
