import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, models
from hyperdnn.errors import ConfigError, ContextError, LayoutError

FLOAT = torch.float64


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def hypernet(layout: hd.ParamLayout, encoder: nn.Module | None = None) -> hd.Hypernet:
    encoder = encoder or encoders.Table(5, 4)
    head = heads.ChunkedHead(6, layout, 4)
    made = hd.Hypernet(encoder=encoder, slots=encoders.Slots(head.slots, 2), body=bodies.MLP(6, 6), head=head)
    return made.to(FLOAT)


def joined() -> tuple[hd.HyperDNN, hd.Hypernet, hd.Hypernet]:
    """The first layer from a task, the last from a vector."""
    target = hd.Target(net().to(FLOAT))
    trunk = hypernet(target.layout.select("0.*"))
    last = hypernet(target.layout.select("2.*"), encoders.Vector(4))
    return hd.HyperDNN(target, models.Join(target.layout, [last, trunk])), trunk, last


def stacked() -> tuple[hd.HyperDNN, list[hd.Hypernet]]:
    target = hd.Target(net().to(FLOAT))
    parts = [hypernet(target.layout) for _ in range(3)]
    return hd.HyperDNN(target, models.Stack(parts)), parts


@pytest.mark.parametrize("contexts", [(), (1,), (0,), (4,), (2, 3)], ids=str)
def test_each_part_comes_from_its_own_hypernet_and_context(contexts: tuple[int, ...]) -> None:
    model, trunk, last = joined()
    ids, vectors = torch.randint(5, contexts), torch.randn(*contexts, 4, dtype=FLOAT)
    weights = model.generate((vectors, ids))
    assert tuple(weights) == model.target.layout.names
    torch.testing.assert_close(weights, {**trunk(ids), **last(vectors)}, rtol=0, atol=0)
    x = torch.randn(*contexts, 6, 3, dtype=FLOAT)
    torch.testing.assert_close(model(x, context=(vectors, ids)), model.call({**trunk(ids), **last(vectors)}, x))


@pytest.mark.parametrize("contexts", [(), (1,), (0,), (4,), (2, 3)], ids=str)
def test_a_stack_has_one_more_context_dimension(contexts: tuple[int, ...]) -> None:
    model, parts = stacked()
    ids = [torch.randint(5, contexts) for _ in parts]
    weights = model.generate(tuple(ids))
    assert model.target.layout.check(weights) == (*contexts, 3)
    for k, (part, one) in enumerate(zip(parts, ids, strict=True)):
        for name, weight in part(one).items():
            shape = model.target.layout[name].shape
            assert torch.equal(weights[name].select(-1 - len(shape), k), weight)
    x = torch.randn(*contexts, 3, 6, 3, dtype=FLOAT)
    assert model(x, context=ids).shape == (*contexts, 3, 6, 2)


def test_a_stack_on_one_batch_is_an_ensemble_of_the_hypernets() -> None:
    model, parts = stacked()
    x, ids = torch.randn(6, 3, dtype=FLOAT), torch.tensor([1, 4, 4])
    expected = [model.call(part(one), x) for part, one in zip(parts, ids, strict=True)]
    torch.testing.assert_close(model.ensemble(tuple(ids))(x), torch.stack(expected))


def test_under_vmap_values_are_the_same() -> None:
    model, _, _ = joined()
    vectors = torch.randn(4, 4, dtype=FLOAT)
    mapped = torch.vmap(lambda vector: model.generate((vector, torch.tensor(1))))(vectors)
    together = model.generate((vectors, torch.ones(4, dtype=torch.long)))
    torch.testing.assert_close(mapped, together)


def test_copies_are_equal() -> None:
    vectors, ids = torch.randn(4, 4, dtype=FLOAT), torch.arange(4)
    for model, context in ((joined()[0], (vectors, ids)), (stacked()[0], (ids, ids, ids))):
        for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            torch.testing.assert_close(again.generate(context), model.generate(context), rtol=0, atol=0)


def test_training_moves_every_hypernet() -> None:
    model, _, _ = joined()
    context = torch.randn(5, 4, dtype=FLOAT), torch.arange(5)
    x, y = torch.randn(5, 8, 3, dtype=FLOAT), torch.randn(5, 8, 2, dtype=FLOAT)
    optimizer = torch.optim.Adam(model.parameter_groups(), 1e-2)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (model(x, context=context) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad.abs().max() > 0 for p in model.parameters())
    assert losses[-1] < 0.9 * losses[0]


def test_parameter_groups_are_by_stage_over_all_hypernets() -> None:
    model, trunk, last = joined()
    groups = {group["name"]: {id(p) for p in group["params"]} for group in model.parameter_groups()}
    assert list(groups) == ["encoder", "slots", "body", "head"]
    for stage in groups:
        assert groups[stage] == {id(p) for part in (trunk, last) for p in getattr(part, stage).parameters()}


def test_a_saved_model_asks_for_the_hypernets_again(tmp_path: Path) -> None:
    model, _, _ = joined()
    model.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"the saved hypernet is a Join .* pass from_pretrained\(..., hypernet="):
        hd.HyperDNN.from_pretrained(tmp_path, target=net())
    fresh = joined()[0].hypernet
    again = hd.HyperDNN.from_pretrained(tmp_path, target=net().to(FLOAT), hypernet=fresh)
    context = torch.randn(4, dtype=FLOAT), torch.tensor(3)
    torch.testing.assert_close(again.generate(context), model.generate(context), rtol=0, atol=0)
    x = torch.randn(6, 3, dtype=FLOAT)
    assert torch.equal(again.bake(context)(x), model(x, context=context))


def test_parts_that_do_not_make_the_layout() -> None:
    layout = hd.ParamLayout.of(net())
    first, last = hypernet(layout.select("0.*")), hypernet(layout.select("2.*"))
    for parts, words in (
        ([first], r"'2.weight' is generated by no hypernet: add one over layout.select\('2.weight'\)"),
        ([first, last, last], r"'2.weight' stands in the layout twice"),
        ([first, hypernet(hd.ParamLayout.of(nn.Sequential(nn.Linear(3, 4))))], "twice"),
        ([hypernet(hd.ParamLayout.of(nn.ModuleDict({"1": nn.Linear(3, 4)})))], r"'1.weight' is not in the joined lay"),
        ([first, hypernet(hd.ParamLayout.of(nn.ModuleDict({"2": nn.Linear(4, 3)})))], r"there '2.weight' is \(2, 4\)"),
    ):
        with pytest.raises(LayoutError, match=words):
            models.Join(layout, parts)
    with pytest.raises(LayoutError, match=r"Stack takes hypernets for one target: in the first layout '0.weight'"):
        models.Stack([first, last])


@pytest.mark.parametrize("part", [models.Stack, lambda parts: models.Join(hd.ParamLayout.of(net()), parts)])
def test_what_is_no_hypernet(part: type[nn.Module]) -> None:
    with pytest.raises(ConfigError, match="needs at least one hypernet"):
        part([])
    with pytest.raises(ConfigError, match="Identity declares no layout"):
        part([nn.Identity()])


def test_contexts_that_do_not_fit() -> None:
    model, _, _ = joined()
    vector: Tensor = torch.randn(4, dtype=FLOAT)
    for context, words in (
        (vector, "Join takes a tuple of 2 contexts, one for each hypernet, got Tensor"),
        ((vector,), "Join takes a tuple of 2 contexts, one for each hypernet, got 1"),
        ((vector, torch.arange(3)), r"same context dimensions, got \[\(\), \(3,\)\]: expand them"),
    ):
        with pytest.raises(ContextError, match=words):
            model.generate(context)
    with pytest.raises(ContextError, match=r"Stack: the contexts must have the same context dimensions"):
        stacked()[0].generate((torch.tensor(1), torch.arange(2), torch.arange(2)))
