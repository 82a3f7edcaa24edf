"""Exported folders, loaded by peft itself."""

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import export, targets

from .nets import NETS, hypernet_for, peft, perturbed, quiet


def _load(base: nn.Module, folder: Path) -> nn.Module:
    with quiet():
        return peft.PeftModel.from_pretrained(base, folder).eval()


@pytest.mark.parametrize("name", NETS)
def test_peft_loads_what_was_exported(name: str, tmp_path: Path) -> None:
    net = NETS[name]
    base = net.make().eval().requires_grad_(False)
    changed = copy.deepcopy(base)
    targets.attach_lora(changed, net.embeddings, rank=2)
    targets.attach_lora(changed, net.projections, rank=3, alpha=4.5)
    model = perturbed(hypernet_for(hd.Target(changed, select="*.lora_*")))
    expected = model(context=torch.tensor(1), **net.inputs).logits
    assert (expected - base(**net.inputs).logits).abs().max() > 1e-2
    export.peft(model, tmp_path, context=torch.tensor(1))
    torch.testing.assert_close(_load(base, tmp_path)(**net.inputs).logits, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_merged_adapter_is_a_plain_network_to_save(name: str, tmp_path: Path) -> None:
    net = NETS[name]
    base = net.make().eval().requires_grad_(False)
    changed = copy.deepcopy(base)
    targets.attach_lora(changed, net.projections, rank=3, alpha=4.5)
    model = perturbed(hypernet_for(hd.Target(changed, select="*.lora_*")))
    export.peft(model, tmp_path, context=torch.tensor(2), task_type="CAUSAL_LM")
    assert json.loads((tmp_path / "adapter_config.json").read_text())["fan_in_fan_out"] == (name == "gpt2")
    loaded = _load(base, tmp_path)
    assert type(loaded) is peft.PeftModelForCausalLM
    with quiet():
        loaded.merge_and_unload().save_pretrained(tmp_path / "merged")
        merged = type(base).from_pretrained(tmp_path / "merged", attn_implementation="eager")
    expected = model(context=torch.tensor(2), **net.inputs).logits
    torch.testing.assert_close(merged(**net.inputs).logits, expected, rtol=1e-4, atol=1e-5)


class Scaled(nn.Embedding):
    """Multiplies what it looks up, by a buffer as Gemma's or by a number as BART's."""

    def __init__(self, scale: Tensor | float) -> None:
        super().__init__(9, 6)
        if isinstance(scale, Tensor):
            self.register_buffer("embed_scale", scale)
        else:
            self.embed_scale = scale

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * self.embed_scale


LAYERS = {
    "linear": (lambda: nn.Linear(6, 5), torch.randn(4, 6)),
    "embedding": (lambda: nn.Embedding(9, 6, padding_idx=0), torch.tensor([[0, 3], [8, 1]])),
    "scaled-by-a-buffer": (lambda: Scaled(torch.tensor(5.0)), torch.tensor([[0, 3], [8, 1]])),
    "scaled-by-a-number": (lambda: Scaled(5.0), torch.tensor([[0, 3], [8, 1]])),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, padding="same"), torch.randn(2, 4, 7)),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), stride=2, padding=1), torch.randn(2, 4, 7, 7)),
    "conv3d": (lambda: nn.Conv3d(4, 6, 2), torch.randn(2, 4, 3, 3, 3)),
    "groups": (lambda: nn.Conv2d(8, 12, 3, groups=4), torch.randn(2, 8, 5, 5)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_every_kind_of_layer_has_its_form(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    make, x = LAYERS[name]
    base, x = nn.Sequential(make()).to(dtype), x.to(dtype) if x.is_floating_point() else x
    changed = copy.deepcopy(base).requires_grad_(False)
    targets.attach_lora(changed, "0", rank=2, alpha=3.0)
    model = perturbed(hypernet_for(hd.Target(changed, select="*.lora_*")).to(dtype))
    expected = model(x, context=torch.tensor(0))
    assert not torch.allclose(expected, base(x), atol=1e-3)
    export.peft(model, tmp_path, context=torch.tensor(0))
    close = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(_load(base, tmp_path)(x), expected, rtol=close, atol=close)


class Nested(nn.Module):
    """Layers whose names are endings of other layers' names, and patterns that match others."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(6, 6)
        self.inner = nn.ModuleDict(
            {"q": nn.Linear(6, 6), "aXq": nn.Linear(6, 6), "a": nn.ModuleDict({"q": nn.Linear(6, 6)})}
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.inner["a"]["q"](self.inner["aXq"](self.inner["q"](self.q(x))))


@pytest.mark.parametrize(
    "chosen", [("q",), ("q", "inner.q"), ("inner.q", "inner.aXq"), ("q", "inner.aXq", "inner.a.q"), ("q", "inner.a.q")]
)
def test_nothing_else_gets_an_adapter(chosen: tuple[str, ...], tmp_path: Path) -> None:
    base, x = Nested(), torch.randn(4, 6)
    changed = copy.deepcopy(base).requires_grad_(False)
    for number, name in enumerate(chosen):  # ranks and strengths that differ
        targets.attach_lora(changed, name, rank=1 + number, alpha=2.0 * number + 1)
    model = perturbed(hypernet_for(hd.Target(changed, select="*lora_*")))
    export.peft(model, tmp_path, context=torch.tensor(0))
    loaded = _load(base, tmp_path)
    found = {name.removeprefix("base_model.model.") for name, m in loaded.named_modules() if hasattr(m, "lora_A")}
    assert found == set(chosen)
    torch.testing.assert_close(loaded(x), model(x, context=torch.tensor(0)), rtol=0, atol=1e-6)


def test_in_torchs_transformer_layers_an_adapter_acts_once_it_is_merged(tmp_path: Path) -> None:
    base = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval().requires_grad_(False)
    changed = copy.deepcopy(base)
    targets.attach_lora(changed, "*.linear?", rank=2)
    model = perturbed(hypernet_for(hd.Target(changed, select="*.lora_*")))
    export.peft(model, tmp_path, context=torch.tensor(1))
    loaded, x = _load(base, tmp_path), torch.randn(3, 5, 8)
    with torch.no_grad(), quiet():
        torch.testing.assert_close(loaded.merge_and_unload()(x), model(x, context=torch.tensor(1)))
