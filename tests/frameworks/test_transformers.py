"""Models of transformers become Arrays by the names that `save_pretrained` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from atoll import Arrays, AtollError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration  # noqa: E402

from atoll.transformers import get_arrays, set_arrays  # noqa: E402

transformers.utils.logging.disable_progress_bar()


def gpt2(dtype: torch.dtype = torch.float32) -> transformers.PreTrainedModel:
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 8, "vocab_size": 32, "n_positions": 16}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).to(dtype).eval()  # no dropout


def t5() -> transformers.PreTrainedModel:
    config = T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, vocab_size=32)
    return T5ForConditionalGeneration(config)


@pytest.mark.parametrize("make", [gpt2, t5])
def test_what_a_run_gives_is_what_from_pretrained_reads(make, tmp_path: Path) -> None:
    model, folder = make(), tmp_path / "saved"
    arrays = get_arrays(model)
    model.save_pretrained(folder)
    assert set(Arrays.load(folder / "model.safetensors")) == set(arrays)
    other = make()
    other.save_pretrained(folder)
    arrays.save(folder / "model.safetensors")
    assert get_arrays(type(model).from_pretrained(folder)) == arrays


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_tied_weights_have_one_name_and_stay_tied(dtype: torch.dtype) -> None:
    first, second = gpt2(dtype), gpt2(dtype)
    arrays = get_arrays(first)
    assert "transformer.wte.weight" in arrays
    assert "lm_head.weight" not in arrays
    set_arrays(second, arrays)
    assert second.lm_head.weight is second.transformer.wte.weight
    assert get_arrays(second) == arrays
    ids = torch.arange(8)[None]
    assert torch.equal(first(ids).logits, second(ids).logits)


def test_weights_that_were_untied_have_a_name_each() -> None:
    model = gpt2()
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    assert "lm_head.weight" in get_arrays(model)


def test_only_what_is_fine_tuned_can_travel() -> None:
    model = gpt2()
    model.requires_grad_(False)
    model.transformer.ln_f.requires_grad_(True)
    arrays = get_arrays(model, trainable_only=True)
    assert list(arrays) == ["transformer.ln_f.weight", "transformer.ln_f.bias"]
    set_arrays(model, {name: a + 1 for name, a in arrays.items()}, trainable_only=True)
    assert model.transformer.ln_f.weight[0].item() == 2


def test_another_module_is_told_where_to_go() -> None:
    with pytest.raises(AtollError, match="no model of transformers") as caught:
        get_arrays(torch.nn.Linear(2, 2))
    assert "atoll.torch" in caught.value.mend
