"""Generated LoRA in networks of transformers: at the start the base exactly, then each sample with its own."""

import copy
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import targets
from hyperdnn.errors import BatchingError, ConfigError, LayoutError

from .nets import NETS, Net, hypernet_for, peft, perturbed, quiet

CONTEXTS = torch.tensor([2, 0, 2])
CLOSE = {"rtol": 1e-5, "atol": 5e-6}  # float32, where the order of sums is another


class Case(NamedTuple):
    net: Net
    base: nn.Module
    names: tuple[str, ...]
    """Layers that have LoRA."""
    model: hd.HyperDNN


@pytest.fixture(scope="module", params=NETS)
def case(request: pytest.FixtureRequest) -> Case:
    torch.manual_seed(0)
    net = NETS[request.param]
    base = net.make().eval().requires_grad_(False)
    changed = copy.deepcopy(base)
    names = targets.attach_lora(changed, net.everything, rank=3, alpha=6.0)
    return Case(net, base, names, hypernet_for(hd.Target(changed, select="*.lora_*")))


def _loop(model: hd.HyperDNN, inputs: Any, contexts: Tensor) -> list[Any]:
    """Sample by sample, in batches of one."""
    return [
        model(context=context, **{name: value[i : i + 1] for name, value in inputs.items()})
        for i, context in enumerate(contexts)
    ]


def _same(actual: Any, expected: list[Any]) -> None:
    """One output of the network's own class against those of the samples, field by field."""
    assert {type(actual)} == {type(output) for output in expected}
    assert list(actual) == list(expected[0])
    for name in actual:
        if isinstance(actual[name], Tensor):
            torch.testing.assert_close(actual[name], torch.cat([o[name] for o in expected]), **CLOSE)


def test_a_model_starts_as_the_base_exactly_and_then_trains(case: Case) -> None:
    expected = case.base(**case.net.inputs).logits
    output = case.model(context=torch.tensor(1), **case.net.inputs)
    assert torch.equal(output.logits, expected)
    assert not any(p.requires_grad for p in case.model.target.parameters())
    output.logits.square().sum().backward()
    assert max(p.grad.abs().max() for p in case.model.hypernet.parameters() if p.grad is not None) > 0
    assert len(case.model.target.layout) == 2 * len(case.names)
    case.model.zero_grad()


def test_per_sample_adapters_agree_with_one_sample_at_a_time(case: Case) -> None:
    model, inputs = perturbed(copy.deepcopy(case.model)), case.net.inputs
    expected = _loop(model, inputs, CONTEXTS)
    base = case.base(**inputs).logits
    assert (torch.cat([output.logits for output in expected]) - base).abs().max() > 1e-2
    torch.cat([output.logits for output in expected]).square().sum().backward()
    gradients = [p.grad.clone() for p in model.hypernet.parameters() if p.grad is not None]
    for verb in (model.paired, model.grouped):
        model.zero_grad()
        output = verb(context=CONTEXTS, **inputs)
        _same(output, expected)
        output.logits.square().sum().backward()
        found = [p.grad for p in model.hypernet.parameters() if p.grad is not None]
        torch.testing.assert_close(found, gradients, rtol=1e-4, atol=1e-4)


def test_a_batch_for_each_context_agrees_with_one_context_at_a_time(case: Case) -> None:
    model, inputs = perturbed(copy.deepcopy(case.model)), case.net.inputs
    with torch.no_grad():
        many = model.target.batched(model.generate(torch.arange(3)), data_dims=None, **inputs)
        for i in range(3):
            one = model(context=torch.tensor(i), **inputs)
            torch.testing.assert_close(many.logits[i], one.logits, **CLOSE)


def test_it_equals_a_peft_adapter_with_the_same_numbers(case: Case) -> None:
    model, inputs = perturbed(copy.deepcopy(case.model)), case.net.inputs
    weights = {name: weight.detach() for name, weight in model.generate(torch.tensor(2)).items()}
    expected = _peft(case.base, case.names, weights)(**inputs).logits
    torch.testing.assert_close(model.target(weights, **inputs).logits, expected, rtol=0, atol=1e-6)


def _peft(base: nn.Module, names: tuple[str, ...], weights: dict[str, Tensor]) -> nn.Module:
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=list(names), inference_mode=True)
    with quiet():
        adapted = peft.get_peft_model(copy.deepcopy(base), config)
    with torch.no_grad():
        for name in names:
            layer = adapted.base_model.model.get_submodule(name)
            a, b = (weights[f"{name}.lora_{side}.weight"] for side in "ab")
            if len(layer.lora_embedding_A):
                layer.lora_embedding_A["default"].copy_(a.T)
                layer.lora_embedding_B["default"].copy_(b)
            else:
                layer.lora_A["default"].weight.copy_(a)
                layer.lora_B["default"].weight.copy_(b)
    return adapted.eval()


@pytest.mark.parametrize("name", ["bert", "t5"])
def test_a_mask_that_is_looked_into_needs_the_loop_or_four_dimensions(name: str) -> None:
    net = NETS[name]
    changed = net.make().eval().requires_grad_(False)
    targets.attach_lora(changed, net.projections, rank=2)
    model = perturbed(hypernet_for(hd.Target(changed, select="*.lora_*")))
    looked_into = {**net.inputs, "attention_mask": (net.inputs["attention_mask"] == 0).long().flatten(1)}
    with pytest.raises(BatchingError, match=r"decides on the value of a tensor.*mode=\"loop\""):
        model.paired(context=CONTEXTS, **looked_into)
    looped = model.paired(context=CONTEXTS, mode="loop", **looked_into).logits
    torch.testing.assert_close(model.paired(context=CONTEXTS, **net.inputs).logits, looped, **CLOSE)


def test_layers_in_half_precision_get_inputs_of_their_type() -> None:
    """T5 keeps its last layers in float32 and asks their weights before it calls them."""
    net = NETS["t5"]
    changed = net.make().eval().requires_grad_(False).to(torch.bfloat16)
    for block in (*changed.encoder.block, *changed.decoder.block):
        block.layer[-1].DenseReluDense.wo.float()
    inputs = {**net.inputs, "attention_mask": net.inputs["attention_mask"].to(torch.bfloat16)}
    expected = changed(**inputs).logits
    targets.attach_lora(changed, ("*.wi", "*.wo"), rank=2)
    assert torch.equal(changed(**inputs).logits, expected)


@pytest.mark.parametrize(
    ("name", "select", "message"),
    [
        ("llama", "*.q_porj", r"'\*.q_porj' matches no layer. Did you mean '\*.q_proj'"),
        ("gpt2", "*.atn.*", r"Did you mean '\*.attn.\*'"),
        (
            "bert",
            "bert.encoder.layer.0.attention.self.qeury",
            "Did you mean 'bert.encoder.layer.0.attention.self.query'",
        ),
        ("llama", "*.self_attn", "only LlamaAttention"),
    ],
)
def test_a_glob_that_reaches_nothing_has_a_neighbour(name: str, select: str, message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        targets.attach_lora(NETS[name].make(), select, rank=2)


def test_a_rank_above_the_matrix_names_the_layer() -> None:
    with pytest.raises(ConfigError, match=r"'bert.embeddings.token_type_embeddings': .* rank from 1 to 2"):
        targets.attach_lora(NETS["bert"].make(), "*_embeddings", rank=3)
