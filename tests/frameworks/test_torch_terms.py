"""What methods add to a torch module's loss and gradients is what their papers write."""

from __future__ import annotations

import numpy as np
import pytest

from atoll import Arrays, AtollError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from atoll.torch import add_to_gradients, get_arrays, proximal, set_arrays  # noqa: E402


def net(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(3)
    made = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).to(dtype)
    made[2].bias.requires_grad_(False)
    return made


def moved(model: Arrays, by: float) -> Arrays:
    return model.map(lambda a: (a + np.asarray(by, a.dtype)).astype(a.dtype) if a.dtype.kind != "i" else a)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_proximal_term_is_half_mu_times_the_squared_distance_of_what_is_trained(
    dtype: torch.dtype,
) -> None:
    made = net(dtype)
    start = get_arrays(made)
    set_arrays(made, moved(start, 0.5))
    trained = {n: p for n, p in made.named_parameters() if p.requires_grad}
    away = {n: p.detach().double().numpy() - start[n].astype("f8") for n, p in trained.items()}
    term = proximal(made, start, 0.25)
    assert term.item() == pytest.approx(0.25 / 2 * sum((d**2).sum() for d in away.values()), rel=1e-5)
    term.backward()
    for name, parameter in trained.items():
        np.testing.assert_allclose(
            parameter.grad.double().numpy(), 0.25 * away[name], rtol=2e-2 if dtype == torch.bfloat16 else 1e-6
        )
    assert made[2].bias.grad is None


def test_a_newer_model_makes_a_new_term_and_a_dictionary_may_change_meanwhile() -> None:
    made = net()
    first = get_arrays(made)
    assert proximal(made, first, 1.0).item() == 0
    assert proximal(made, moved(first, 1.0), 1.0).item() > 0
    assert proximal(made, first, 1.0).item() == 0
    changing = first.copy()
    assert proximal(made, changing, 1.0).item() == 0
    changing["0.weight"][:] += 1
    assert proximal(made, changing, 1.0).item() == pytest.approx(12 / 2, rel=1e-6)


def test_what_is_unfrozen_later_is_held_too() -> None:
    made = net()
    start = get_arrays(made)
    set_arrays(made, moved(start, 1.0))
    before = proximal(made, start, 2.0).item()
    made[2].bias.requires_grad_(True)
    assert proximal(made, start, 2.0).item() == pytest.approx(before + 2)


def test_a_module_in_which_nothing_is_trained_has_no_term() -> None:
    made = net().requires_grad_(False)
    assert proximal(made, get_arrays(made), 1.0).item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_arrays_are_added_to_gradients_of_the_same_names(dtype: torch.dtype) -> None:
    made = net(dtype)
    made[0].weight.grad = torch.ones_like(made[0].weight)
    add_to_gradients(made, {n: np.full(a.shape, 0.5, "f4") for n, a in get_arrays(made).items()})
    assert (made[0].weight.grad == 1.5).all()
    assert (made[0].bias.grad == 0.5).all(), "a parameter without a gradient gets one"
    assert made[2].bias.grad is None, "a frozen one doesn't"
    assert made[0].weight.grad.dtype == dtype


def test_arrays_of_another_module_are_refused() -> None:
    made = net()
    with pytest.raises(AtollError) as strange:
        add_to_gradients(made, {"elsewhere": np.zeros(3, "f4")})
    assert strange.value.code == "arrays.other-names"
    with pytest.raises(AtollError) as wrong:
        add_to_gradients(made, {"0.weight": np.zeros((1, 3), "f4")})
    assert wrong.value.code == "arrays.other-shape"
    with pytest.raises(AtollError) as lacking:
        proximal(made, {"0.weight": get_arrays(made)["0.weight"]}, 1.0)
    assert lacking.value.code == "arrays.other-names"
