"""What a naive reading of HyperITE gets wrong."""

import pytest
import torch

from hyperdnn import heads, lab
from hyperdnn.lab._discover import configuration, load
from hyperdnn.lab.config import override
from hyperdnn.recipes.causal import hyperite

TINY = configuration("causal/hyperite", "tiny")
STRATEGIES = (hyperite.once, hyperite.layers, hyperite.chunks, hyperite.plain)


@pytest.mark.parametrize("generate", STRATEGIES)
def test_every_weight_and_every_bias_of_both_outcomes_is_generated(generate):
    model = hyperite.t_learner(TINY, generate=generate).eval()
    layout = model.networks.target.layout
    assert [spec.shape for spec in layout] == [(16, 4), (16,), (16, 16), (16,), (1, 16), (1,)]  # no bias is broadcast
    assert not list(model.networks.target.parameters())
    weights, swapped = (model.networks.generate(contexts) for contexts in (model.contexts, model.contexts.flip(0)))
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor.flip(0), swapped[name])
        assert tensor[0].numel() == 1 or not tensor[0].allclose(tensor[1])  # a single number starts where the net's was


def test_outcomes_share_a_hypernet_and_separate_networks_do_not():
    study = hyperite.data(TINY).train
    untreated = study[study.treatment == 0]
    for generate, shared in ((hyperite.once, True), (hyperite.plain, False)):
        model = hyperite.t_learner(TINY, generate=generate).eval()
        before = model(study.covariates)[:, 1].detach()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lab.effects.outcome_errors(model(untreated.covariates), untreated).mean().backward()
        optimizer.step()
        moved = (model(study.covariates)[:, 1] - before).abs().max() > 1e-6
        assert bool(moved) == shared


def test_each_chunk_of_each_function_has_an_embedding():
    hypernet = hyperite.t_learner(TINY, generate=hyperite.chunks).networks.hypernet
    assert isinstance(hypernet.head, heads.ChunkedHead)
    assert hypernet.head.slots == TINY.chunks
    assert [row.numel() for row in hypernet.encoder.rows] == [TINY.chunks * TINY.embedding] * 2
    rows = hypernet.slots(hypernet.encoder(torch.tensor(1)))
    assert rows.flatten().equal(hypernet.encoder.rows[1])


def test_one_map_and_a_map_for_each_tensor_are_the_same_function():
    config = override(TINY, {"dropout": 0.0})
    found = []
    for head in (heads.FullHead, heads.MultiHead):
        torch.manual_seed(0)
        model = hyperite.t_learner(config, generate=lambda *args, head=head: hyperite.once(*args, head=head))
        found.append(model(torch.ones(3, 4)))
    torch.testing.assert_close(*found)


def test_the_s_learner_reads_the_treatment_at_both_values():
    model = hyperite.s_learner(TINY).eval()
    x = torch.randn(6, 4)
    net = model.networks.bake(torch.tensor(0)).net
    for treatment in (0, 1):
        given = torch.full((6, 1), float(treatment))
        expected = net(torch.cat([x, given], dim=-1)).squeeze(-1)
        torch.testing.assert_close(model(x)[:, treatment], expected)
    torch.testing.assert_close(model.effect(x), model(x)[:, 1] - model(x)[:, 0])


def test_tarnet_shares_its_first_layer_and_generates_the_others():
    target = hyperite.tarnet(TINY).networks.target
    assert [name for name, _ in target.named_parameters()] == ["module.0.weight", "module.0.bias"]
    assert target.layout.names == ("2.weight", "2.bias", "4.weight", "4.bias")


def test_folds_have_hypernets_of_their_own():
    model = hyperite.two_stages(TINY, functions=3)
    assert model(torch.randn(5, 4)).shape == (TINY.folds, 5, 3)
    parameters = [{id(p) for p in one.parameters()} for one in model.first]
    assert not set.intersection(*parameters)


def test_seeds_are_replications_and_variants_are_paired():
    config = configuration("causal/hyperite", "few")
    assert [override(config, {"seed": seed}).replication for seed in (0, 9, 10, 23)] == [0, 9, 0, 3]
    recipe = load("causal/hyperite")
    for variant in recipe.variants.values():
        changed = override(TINY, variant.changes)
        assert hyperite.data(changed).test.effect.equal(hyperite.data(TINY).test.effect)


def test_errors_are_in_the_unit_of_the_outcome():
    trial = hyperite.data(TINY)
    model = hyperite.t_learner(TINY).eval()
    found = hyperite.evaluate(model, trial)
    assert found["pehe"] == pytest.approx(found["standard_pehe"] * trial.scale)
    error = torch.tensor(found["estimated_effect"]) - torch.tensor(found["true_effect"])
    assert found["pehe"] == pytest.approx(error.square().mean().sqrt().item(), rel=1e-5)
    raw = lab.data.simulated_study(400, seed=0).effect
    assert all((raw - effect).abs().min() < 1e-4 for effect in found["true_effect"])


def test_only_factual_outcomes_are_looked_at_before_the_end():
    trial = hyperite.data(TINY)
    model = hyperite.t_learner(TINY).eval()
    loss = hyperite.validate(model, trial)
    trial.validation.potential.fill_(float("nan"))
    trial.train.potential.fill_(float("nan"))
    assert hyperite.validate(model, trial) == loss
