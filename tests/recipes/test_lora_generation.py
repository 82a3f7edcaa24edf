from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import export, lab
from hyperdnn.lab import language
from hyperdnn.lab._discover import configuration, load
from hyperdnn.recipes.language import lora_generation as recipe

TINY = configuration("language/lora_generation", "tiny")
DEEP = replace(TINY, base=replace(TINY.base, layers=2), modules=("q_proj", "v_proj", "down_proj"), dropout=0.0)


def _moved(model):
    """The same model after it has learnt something."""
    torch.manual_seed(1)
    for parameter in model.adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def _batch(config=DEEP, voices: int = 3) -> lab.data.VoiceBatch:
    return recipe.data(config).train.sample(voices, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("build", [recipe.build, recipe.build_diagonal, recipe.build_separate])
def test_the_first_step_starts_at_the_base_exactly(build):
    model, batch = build(DEEP).eval(), _batch()
    torch.testing.assert_close(model(batch), language.plain(model.base, batch))


@pytest.mark.parametrize("build", [recipe.build, recipe.build_diagonal, recipe.build_separate])
def test_the_base_is_frozen_and_everything_else_learns(build):
    torch.manual_seed(0)
    model, batch = _moved(build(DEEP)), _batch()
    language.losses(model(batch), batch).sum().backward()
    for name, parameter in model.adapted.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None), name
        assert not parameter.requires_grad or "hypernet" in name or "lora_" in name, name
    assert not any(parameter.requires_grad for parameter in model.base.parameters())


@pytest.mark.parametrize("build", [recipe.build, recipe.build_diagonal, recipe.build_separate])
def test_all_voices_at_once_agree_with_one_after_the_other(build):
    model, batch = _moved(build(DEEP)).eval(), _batch()
    together = model(batch)
    for k in range(len(batch)):
        context = batch.context[k] if build is not recipe.build_separate else batch.voices[k]
        alone = model.adapted.bake(context)
        torch.testing.assert_close(together[k], alone(batch.inputs[k]).logits, atol=1e-5, rtol=1e-5)


def test_a_module_adds_its_factors_scaled_once():
    model = _moved(recipe.build(DEEP)).eval()
    weights = model.adapted.target.effective(model.adapted.generate(torch.randn(4)))
    net, name = model.adapted.bake(torch.randn(4)), "model.layers.1.mlp.down_proj"
    a, b = (weights[f"{name}.lora_{side}.weight"] for side in "ab")
    layer = net.get_submodule(name)
    with torch.no_grad():
        layer.lora_a.weight.copy_(a)
        layer.lora_b.weight.copy_(b)
    x = torch.randn(3, 16)
    change = (DEEP.alpha / DEEP.rank) * (x @ a.mT @ b.mT)
    torch.testing.assert_close(layer(x), F.linear(x, layer.base.weight) + change)


def test_factors_are_loras_own_start_plus_what_is_generated():
    model, context = _moved(recipe.build(DEEP)).eval(), torch.randn(4)
    generated = model.adapted.generate(context)
    for name, weight in model.adapted.target.effective(generated).items():
        start = model.adapted.target.base[name]
        torch.testing.assert_close(weight, start + generated[name])
        assert bool((start == 0).all()) == ("lora_b" in name)


def test_only_the_diagonal_is_generated_by_zhyper():
    model, batch = _moved(recipe.build_diagonal(DEEP)).eval(), _batch()
    generated = model.weights(batch)
    assert {tuple(weight.shape) for weight in generated.values()} == {(3, DEEP.rank)}
    effective = model.adapted.target.effective(generated)
    for name, factor in model.adapted.target.base.named_parameters():
        diagonal = torch.diag_embed(1 + generated[f"{name}.z"])
        torch.testing.assert_close(effective[name], diagonal @ factor)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers for it
@pytest.mark.parametrize("build", [recipe.build, recipe.build_diagonal])
def test_a_new_voice_is_exported_for_peft(build, tmp_path):
    peft = pytest.importorskip("peft")
    voices = recipe.data(DEEP)
    model, batch = _moved(build(DEEP)).eval(), voices.test.side_by_side()
    export.peft(model.adapted, tmp_path, context=batch.context[1], task_type="CAUSAL_LM")
    base = language.character_model(DEEP.base, voices)
    loaded = peft.PeftModel.from_pretrained(base, tmp_path).eval()
    with torch.no_grad():
        ours, theirs = model(batch)[1], loaded(batch.inputs[1]).logits
        bare = language.plain(model.base, batch)[1]
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(theirs, bare, atol=1e-3)


def test_half_of_the_latent_is_the_description_and_a_quarter_each_the_place():
    hypernet = recipe.build(DEEP).adapted.hypernet
    assert hypernet.encoder.features == DEEP.latent // 2
    assert (hypernet.slots.kinds.shape, hypernet.slots.depths.shape) == ((3, DEEP.latent // 4), (2, DEEP.latent // 4))
    assert [linear.out_features for linear in hypernet.head.linears] == [2 * (16 + 16), 2 * (16 + 8), 2 * (16 + 16)]


def test_in_no_order_does_a_voice_keep_its_description():
    voices = recipe.data(TINY)
    batch, seen = voices.test.side_by_side(), []
    model = recipe.build(TINY).eval()
    model.adapted.hypernet.encoder.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    with torch.no_grad():
        recipe.evaluate(model, voices)
    assert len(seen) == 1 + recipe.SHUFFLES + 1
    assert seen[0].equal(batch.context)
    for context in seen[1:-1]:
        assert not (context == batch.context).all(-1).any()
        assert sorted(context.tolist()) == sorted(batch.context.tolist())


def test_what_is_measured():
    model, voices = _moved(recipe.build(TINY)).eval(), recipe.data(TINY)
    batch = voices.test.side_by_side()
    with torch.no_grad():
        found = recipe.evaluate(model, voices)
        logits, bare = model(batch), language.plain(model.base, batch)
    loss, base = (F.cross_entropy(one.flatten(0, 2), batch.targets.flatten()).item() for one in (logits, bare))
    assert found["loss"] == pytest.approx(loss, abs=1e-5)
    assert found["gain_own"] == pytest.approx(base - loss, abs=1e-5)
    assert found["gain_shared"] == pytest.approx(0, abs=1e-6)  # not trained yet
    part = (found["gain_own"] - found["gain_shuffled"]) / found["gain_own"]
    assert found["lost_by_shuffling"] == pytest.approx(part, rel=1e-3)
    assert sum(found["own_by_voice"]) / 4 == pytest.approx(found["gain_own"], abs=1e-5)
    assert found["voices"] == [voices.names[k] for k in voices.test.voices]
    trained = sum(p.numel() for p in model.adapted.hypernet.parameters())
    assert found["hypernet_parameters"] == trained  # the shared LoRA is not counted


def test_the_shared_lora_is_trained_before_and_alone(tmp_path):
    loaded = load("language/lora_generation")
    model, voices = loaded.build(TINY), loaded.data(TINY)
    state = lab.train.State(model=model, config=TINY, generator=torch.Generator().manual_seed(0))
    changed = []

    def watched(model, batch, state):
        moved = any((p != 0).any() for n, p in model.shared.named_parameters() if "lora_b" in n)
        changed.append((state.task, moved, model.shared.training))
        return recipe.step(model, batch, state)

    loop = loaded.variants["T2L"].loop
    loop(state, voices, TINY.train, step=watched, evaluate=loaded.evaluate, log=lab.train.Log(None))
    assert len(changed) == TINY.train.iterations
    assert {moved for _, moved, _ in changed} == {True}


def test_the_diagonal_starts_at_one_and_multiplies_rows():
    spec = next(iter(recipe.build(TINY).adapted.target.replaced))
    (z,) = recipe.Diagonal().specs(spec)
    assert (z.shape, z.init_mean, z.init_std, z.kind) == (spec.shape[:1], 0.0, 0.0, "change")
    base = torch.randn(3, 5)
    assert recipe.Diagonal()([torch.zeros(3)], base, (3, 5)).equal(base)
    torch.testing.assert_close(recipe.Diagonal()([torch.ones(2, 3)], base, (3, 5)), (2 * base).expand(2, 3, 5))
