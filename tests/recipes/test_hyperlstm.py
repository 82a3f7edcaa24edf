import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hyperdnn import lab
from hyperdnn.errors import ConfigError
from hyperdnn.lab import _experiment
from hyperdnn.lab._discover import configuration, load
from hyperdnn.recipes.sequence import hyperlstm as recipe

NAME = "sequence/hyperlstm"
TINY = configuration(NAME, "tiny")
QUIET = replace(TINY, recurrent_dropout=0.0)
BUILDERS = {"hypernet": recipe.build, "same width": recipe.build_same_width, "same": recipe.build_same_parameters}


@pytest.fixture(params=list(BUILDERS.values()), ids=list(BUILDERS))
def model(request):
    """Far from the published initial values, under which every scale is alike."""
    torch.manual_seed(0)
    made = request.param(QUIET).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return made


def _state(model: nn.Module, config: recipe.Config = QUIET) -> lab.train.State:
    return lab.train.State(model=model, config=config, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("setting", ["default", "published"])
def test_parameters_are_matched_within_two_per_cent_and_in_the_baselines_favour(setting):
    config, symbols = configuration(NAME, setting), 65
    ours = recipe.num_parameters(recipe.generating_reader(config, symbols))
    units = recipe.matched_units(config, symbols)
    with torch.device("meta"):
        same, narrower = (recipe.num_parameters(recipe.plain_reader(config, symbols, w)) for w in (units, units - 1))
    assert ours <= same < 1.02 * ours
    assert narrower < ours


def test_the_published_setting_has_the_published_numbers_of_parameters():
    config = recipe.Config()
    hyper = recipe.num_parameters(recipe.generating_reader(config, 50))
    with torch.device("meta"):
        plain = recipe.num_parameters(recipe.plain_reader(config, 50, config.units))
    assert (round(hyper / 1e6, 2), round(plain / 1e6, 2)) == (4.92, 4.26)


def test_reading_goes_on_where_the_segment_before_has_ended(model):
    batch, state = recipe.data(QUIET).train.streams(3), _state(model)
    losses = []
    for _ in range(4):
        losses.append(recipe.step(model, batch, state)["loss"])
        state.step += 1
    whole = batch.segment(0, steps=4 * QUIET.steps)
    scores, last = model(whole.inputs)
    each = F.cross_entropy(scores.flatten(0, 1), whole.targets.flatten(), reduction="none").view(4, -1).mean(1)
    torch.testing.assert_close(torch.stack(losses), each)
    torch.testing.assert_close(state.memory, last)


def test_no_gradient_flows_into_the_segment_before(model):
    batch, state = recipe.data(QUIET).train.streams(3), _state(model)
    recipe.step(model, batch, state)
    assert not any(part.requires_grad for part in state.memory)
    carried, state.step = tuple(part.clone() for part in state.memory), 1
    recipe.step(model, batch, state)["loss"].backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    segment = batch.segment(1, steps=QUIET.steps)
    F.cross_entropy(model(segment.inputs, carried)[0].flatten(0, 1), segment.targets.flatten()).backward()
    torch.testing.assert_close(found, {name: parameter.grad for name, parameter in model.named_parameters()})


def test_where_the_text_begins_again_nothing_has_been_read(model):
    batch, state = recipe.data(QUIET).train.streams(3), _state(model)
    first = recipe.step(model, batch, state)["loss"]
    state.step = batch.count(QUIET.steps)
    state.memory = tuple(torch.full_like(part, 9.0) for part in state.memory)
    assert recipe.step(model, batch, state)["loss"].equal(first)


def test_bits_are_nats_over_the_logarithm_of_two(model):
    found = recipe.step(model, recipe.data(QUIET).train.streams(3), _state(model))
    assert found["bits_per_character"].item() == pytest.approx(found["loss"].item() / math.log(2))
    assert not found["bits_per_character"].requires_grad
    even = model.double()
    nn.init.zeros_(even.output.weight)
    nn.init.zeros_(even.output.bias)
    data = recipe.data(QUIET)
    assert recipe.bits_per_character(even, data.test) == pytest.approx(math.log2(len(data.symbols)))


def test_a_text_is_evaluated_with_a_state_that_is_carried(model, monkeypatch):
    text = recipe.data(QUIET).test
    streams = text.streams(recipe.STREAMS)
    whole = streams.segment(0, steps=len(streams.rows))
    scores, _ = model.eval()(whole.inputs)
    expected = F.cross_entropy(scores.flatten(0, 1), whole.targets.flatten()).item() / math.log(2)
    for length in (256, 5, 1):
        monkeypatch.setattr(recipe, "SEGMENT", length)
        assert recipe.bits_per_character(model, text) == pytest.approx(expected)


def test_dropout_is_on_inputs_and_outputs_while_training():
    model = recipe.build(replace(QUIET, dropout=0.5))
    seen = {}
    model.layer.register_forward_pre_hook(lambda _, inputs: seen.update(inputs=inputs[0]))
    model.output.register_forward_pre_hook(lambda _, inputs: seen.update(outputs=inputs[0]))
    characters = recipe.data(QUIET).train.streams(4).rows[:32].long()
    model(characters)
    assert set(seen["inputs"].unique().tolist()) == {0.0, 2.0}
    assert 0.3 < (seen["inputs"].sum(-1) == 0).float().mean() < 0.7
    assert 0.3 < (seen["outputs"] == 0).float().mean() < 0.7
    model.eval()(characters)
    assert seen["inputs"].equal(model.one_hot(characters))


def test_every_scale_starts_at_a_tenth_and_stands_still():
    model, data = recipe.build(TINY).eval(), recipe.data(TINY)
    with torch.no_grad():
        scales = recipe.scales_over(model, data.test.stored[:20].long())
        assert recipe.evaluate(model, data)["scale_deviation"] == pytest.approx(0.0, abs=1e-7)
    assert scales.shape == (20, 2, 4, TINY.units)
    torch.testing.assert_close(scales, torch.full_like(scales, 0.1))


def test_scales_are_those_that_the_characters_are_read_with():
    torch.manual_seed(0)
    model = recipe.build(QUIET)
    cell = model.layer.layers[0]
    with torch.no_grad():
        cell.embed_scales.weight.normal_()
    characters = recipe.data(QUIET).test.stored[:6].long()
    scales = recipe.scales_over(model, characters)
    states = [model.layer(model.one_hot(characters[: k + 1]))[1] for k in range(6)]
    for seen, state in zip(scales, states, strict=True):
        hyper = state[2][0].unsqueeze(0)
        for gate, (matrix, row) in enumerate([(m, g) for m in range(2) for g in range(4)]):
            part = slice(gate * QUIET.embedding, (gate + 1) * QUIET.embedding)
            embedded = hyper @ cell.embed_scales.weight[part].T + cell.embed_scales.bias[part]
            torch.testing.assert_close(seen[matrix, row], (embedded @ cell.emit_scales[gate])[0])
    assert scales.std(0).mean() > 0.01


def test_the_figure_shows_the_units_that_vary_most_beside_their_text():
    torch.manual_seed(0)
    model, data = recipe.build(QUIET).eval(), recipe.data(QUIET)
    with torch.no_grad():
        model.layer.layers[0].embed_scales.weight.normal_()
        model.layer.layers[0].emit_scales[0, :, 3] = 9.0  # of the first gate's recurrent rows, the fourth
        found = recipe.evaluate(model, data)
        characters = data.test.stored[: recipe.SEGMENT].long()
        scales = recipe.scales_over(model, characters)[recipe.SETTLING :]
    shown = torch.tensor(found["scales_over_text"])
    assert shown.shape == (4, recipe.UNITS_SHOWN, recipe.SHOWN)
    torch.testing.assert_close(shown[0, 0], scales[-recipe.SHOWN :, 0, 0, 3])
    assert found["scale_deviation"] == pytest.approx(scales.std(0).mean().item())
    assert "".join(found["text"]) == "".join(data.spell(characters[-recipe.SHOWN :].tolist()))
    assert set(recipe.evaluate(recipe.build_same_width(QUIET), data)) == {
        "bits_per_character",
        "validation_bits_per_character",
    }


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("variant", ["hypernet", "same width"])
def test_a_killed_run_reads_on_where_it_was(variant, tmp_path, monkeypatch):
    config = replace(TINY, train=replace(TINY.train, iterations=6, checkpoint_every=2, log_every=2))
    kill_at = []

    def step(model, batch, state):
        if state.step in kill_at:
            raise KilledError
        return recipe.step(model, batch, state)

    changed = replace(load(NAME), step=step)
    monkeypatch.setattr(_experiment, "load", lambda name: changed)

    def run(folder, **options):
        return lab.run(NAME, config, folder=tmp_path / folder, seeds=[0], variants=[variant], **options)

    whole = run("whole")
    kill_at.append(5)
    with pytest.raises(KilledError):
        run("killed")
    kill_at.clear()
    resumed = run("killed", resume=True)
    assert (resumed["metrics"], resumed["arrays"]) == (whole["metrics"], whole["arrays"])
    finals = [[p.read_bytes() for p in (tmp_path / n).rglob("final/*.safetensors")] for n in ("whole", "killed")]
    assert len(finals[0]) == 1
    assert finals[0] == finals[1]


def test_several_batches_in_one_step_are_refused():
    with pytest.raises(ConfigError, match=r"train\.accumulate: .* Set it to 1, and train\.batch_size higher"):
        replace(TINY, train=replace(TINY.train, accumulate=2))


@pytest.mark.parametrize("name", ["units", "hyper_units", "embedding", "steps", "characters"])
def test_sizes_are_checked_first(name):
    with pytest.raises(ConfigError, match=f"{name}: expected 1 or more, got 0"):
        replace(TINY, **{name: 0})
