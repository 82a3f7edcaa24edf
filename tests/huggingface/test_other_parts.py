"""What else is generated in networks of transformers: norms, FiLM, adapters, all of GPT-2; and what is baked."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import hyperdnn as hd
from hyperdnn import targets

from .nets import NETS, hypernet_for, perturbed, quiet

CONTEXTS = torch.tensor([2, 0, 2])


@pytest.mark.parametrize("name", NETS)
def test_norms_alone_are_generated(name: str) -> None:
    net = NETS[name]
    base = net.make().eval().requires_grad_(False)
    glob = {"bert": "*.LayerNorm.*", "gpt2": "*.ln_*", "t5": "*layer_norm*", "llama": "*norm*"}[name]
    target = hd.Target(copy.deepcopy(base), select=glob, combine=targets.Residual())
    model = hypernet_for(target)
    assert torch.equal(model(context=torch.tensor(0), **net.inputs).logits, base(**net.inputs).logits)
    paired = perturbed(model).paired(context=CONTEXTS, **net.inputs).logits
    for i, context in enumerate(CONTEXTS):
        one = model(context=context, **{key: value[i : i + 1] for key, value in net.inputs.items()})
        torch.testing.assert_close(paired[i], one.logits[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["film", "adapter"])
def test_what_stands_behind_layers_of_bert(kind: str) -> None:
    net = NETS["bert"]
    base = net.make().eval().requires_grad_(False)
    changed, places = copy.deepcopy(base), ("*.output.dense", "*.LayerNorm", "*.word_embeddings")
    names = targets.attach_film(changed, places) if kind == "film" else targets.attach_adapter(changed, places, 4)
    assert len(names) == 10
    model = hypernet_for(hd.Target(changed, select=f"*.{kind}.*"))
    assert torch.equal(model(context=torch.tensor(0), **net.inputs).logits, base(**net.inputs).logits)
    paired = perturbed(model).paired(context=CONTEXTS, **net.inputs).logits
    assert (paired - base(**net.inputs).logits).abs().max() > 1e-3
    for i, context in enumerate(CONTEXTS):
        one = model(context=context, **{key: value[i : i + 1] for key, value in net.inputs.items()})
        torch.testing.assert_close(paired[i], one.logits[0], rtol=1e-4, atol=1e-5)


def test_all_of_gpt2_is_generated_with_its_tied_embedding(tmp_path: Path) -> None:
    net = NETS["gpt2"]
    model = perturbed(hypernet_for(hd.Target(net.make().eval()))).double()
    assert model.target.layout["transformer.wte.weight"].aliases == ("lm_head.weight",)
    expected = model(context=torch.tensor(1), **net.inputs).logits
    baked = model.bake(torch.tensor(1))
    assert baked.lm_head.weight is baked.transformer.wte.weight
    with quiet():
        baked.save_pretrained(tmp_path)
        loaded = type(baked).from_pretrained(tmp_path, dtype=torch.float64).eval()
    torch.testing.assert_close(loaded(**net.inputs).logits, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_a_baked_network_with_lora_runs_as_its_own_class(name: str, tmp_path: Path) -> None:
    net = NETS[name]
    changed = net.make().eval().requires_grad_(False)
    targets.attach_lora(changed, net.projections, rank=2)
    model = perturbed(hypernet_for(hd.Target(changed, select="*.lora_*")))
    baked = model.bake(torch.tensor(1))
    assert type(baked) is type(net.make())
    expected = model(context=torch.tensor(1), **net.inputs).logits
    torch.testing.assert_close(baked(**net.inputs).logits, expected, rtol=0, atol=1e-6)
    with quiet():
        baked.save_pretrained(tmp_path)
    again = net.make().eval()  # the saved names are those of a network with LoRA
    targets.attach_lora(again, net.projections, rank=2)
    again.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=False)
    torch.testing.assert_close(again(**net.inputs).logits, expected, rtol=0, atol=1e-6)
    if name in ("gpt2", "llama"):
        start, three = net.inputs["input_ids"][1:2, :4], {"min_new_tokens": 3, "max_new_tokens": 3}
        tokens = baked.generate(start, **three, do_sample=False, pad_token_id=0)
        assert tokens.shape == (1, 7)
