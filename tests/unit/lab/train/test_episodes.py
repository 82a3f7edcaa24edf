import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from hyperdnn.lab.baselines import MAML, OnFeatures, ProtoNet, episode_step
from hyperdnn.lab.data import Episodes, EpisodeShape, FewShot
from hyperdnn.lab.train import Checkpoints, Log, Settings, State, episodes
from hyperdnn.targets import Target

SETTINGS = Settings(iterations=12, batch_size=3, lr=0.02, log_every=3, checkpoint_every=5, device="cpu")


class KilledError(Exception):
    """Stands for the end of the process."""


def _part(seed):
    """Classes of 2 x 2 pixels that differ in their means, less than in their noise."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(6, 1, 1, 2, 2, generator=generator)
    stored = means + 0.5 * torch.randn(6, 5, 1, 2, 2, generator=generator)
    return Episodes(stored=stored, size=EpisodeShape(ways=3, shots=1, queries=2), turns=True)


@pytest.fixture
def data():
    return FewShot(name="toy", train=_part(0), validation=_part(1), test=_part(2), tests=45)


def _model():
    torch.manual_seed(1)
    np.random.seed(1)
    net = nn.Linear(4, 3)
    start = {name: p.detach().clone() for name, p in net.named_parameters()}
    maml = MAML(Target(net), start, steps=2, test_steps=3, rate=0.1)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.1))
    return OnFeatures(backbone, maml)


def _evaluate(model, episode):
    right = model.learner.trajectory(episode.through(model.backbone)).argmax(-1) == episode.query_targets
    by_step = right.float().mean((-2, -1)).T
    return {"accuracy": by_step[:, -1], "by_step": by_step}


def _state(folder=None):
    kept = folder and Checkpoints(folder / "kept")
    generator = torch.Generator().manual_seed(2)
    resumed = kept and kept.latest()
    return State(model=_model(), config=None, generator=generator, checkpoints=kept, resumed=resumed)


def _step(model, batch, state, *, until=None):
    if state.step == until:
        raise KilledError
    noise = np.random.random() + torch.rand(())
    losses = episode_step(model, batch, state)
    return {"loss": losses["loss"] * (1 + 0.1 * noise)}


def _run(folder, data, *, until=None, settings=SETTINGS):
    folder.mkdir(exist_ok=True)
    state, log = _state(folder), Log(folder / "metrics.jsonl")
    try:
        outcome = episodes(state, data, settings, step=partial(_step, until=until), evaluate=_evaluate, log=log)
    except KilledError:
        return None
    return state, outcome


@pytest.mark.parametrize(
    ("until", "changes"), [(5, {}), (9, {"optimizer": "sgd", "momentum": 0.9, "accumulate": 2})], ids=["adam", "sgd"]
)
def test_a_killed_loop_ends_as_if_it_had_been_let_be(data, tmp_path, until, changes):
    run = partial(_run, data=data, settings=replace(SETTINGS, **changes))
    whole, expected = run(tmp_path / "whole")
    assert run(tmp_path / "killed", until=until) is None
    resumed, outcome = run(tmp_path / "killed")
    assert outcome == expected
    assert resumed.step == whole.step == 12
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)
    assert resumed.generator.get_state().equal(whole.generator.get_state())
    texts = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "killed")]
    assert texts[0] == texts[1]


def test_learning_helps_on_classes_that_were_not_seen(data):
    far = replace(data, train=_part(3), tests=200)
    before = _outcome(far, Settings(iterations=1, lr=0.0, batch_size=1, device="cpu"))
    after = _outcome(far, Settings(iterations=60, lr=0.05, batch_size=4, device="cpu"))
    assert after.metrics["accuracy"] > before.metrics["accuracy"] + 2 * before.metrics["accuracy_interval"]


def _outcome(data, settings):
    return episodes(_state(), data, settings, step=episode_step, evaluate=_evaluate, log=Log())


def test_metrics_are_means_over_all_tests_with_their_intervals(data, tmp_path):
    seen = []

    def evaluate(model, episode):
        assert not model.training
        seen.append(episode)
        numbers = torch.arange(len(episode)).float() + 100 * (len(seen) - 1)
        return {"number": numbers, "row": torch.stack([numbers, -numbers], 1)}

    log = Log(tmp_path / "metrics.jsonl")
    outcome = episodes(_state(), data, SETTINGS, step=_step, evaluate=evaluate, log=log)
    assert [len(episode) for episode in seen] == [20, 20, 5] * 2
    values = torch.cat([torch.arange(n) + 100.0 * (3 + i) for i, n in enumerate((20, 20, 5))]).double()
    half = 1.96 * values.std().item() / 45**0.5
    assert outcome.metrics == {
        "number": pytest.approx(values.mean().item()),
        "number_interval": pytest.approx(half),
    }
    assert outcome.arrays["row"] == pytest.approx([values.mean().item(), -values.mean().item()])
    assert outcome.arrays["row_interval"] == pytest.approx([half, half])
    *_, validation, test = (json.loads(line)["metrics"] for line in log.path.read_text().splitlines()[-2:])
    assert list(validation) == ["validation_number", "validation_number_interval"]
    assert test == outcome.metrics


def test_all_seeds_are_measured_on_the_same_problems_of_the_test_classes(data):
    queries = {0: [], 1: []}
    for seed, kept in queries.items():
        state = _state()
        state.generator.manual_seed(seed)

        def evaluate(model, episode, kept=kept):
            kept.append(episode.query)
            return _evaluate(model, episode)

        episodes(state, data, SETTINGS, step=_step, evaluate=evaluate, log=Log())
    for one, other in zip(*queries.values(), strict=True):
        assert one.equal(other)
    test = {tuple(image.flatten().sort().values.tolist()) for image in data.test.stored.flatten(0, 1)}
    drawn = {tuple(image.flatten().sort().values.tolist()) for one in queries[0][3:] for image in one.flatten(0, 2)}
    assert drawn <= test


def test_a_model_without_parameters_is_only_measured(data):
    model = OnFeatures(nn.Flatten(), ProtoNet())
    state = State(model=model, config=None, generator=torch.Generator().manual_seed(0))

    def evaluate(model, episode):
        return {"accuracy": (model(episode).argmax(-1) == episode.query_targets).float().mean((1, 2))}

    outcome = episodes(state, data, SETTINGS, step=_step, evaluate=evaluate, log=Log())
    assert state.step == 0
    assert outcome.metrics["accuracy"] > 0.5
