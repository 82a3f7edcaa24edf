import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.errors import ConfigError, LayoutError

CONTEXTS, HIDDEN = 3, 8


def net(classes: int = 5) -> nn.Sequential:
    """Three layers of four inputs, so that rows of the middle one lie in the middle of a group."""
    return nn.Sequential(
        nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, classes), nn.Linear(4, 3, bias=False), nn.Conv2d(2, 2, 1)
    )


def joined(layout: hd.ParamLayout, **options: object) -> nn.Module:
    rows = heads.ComponentHead(HIDDEN, layout.select("2.*", "3.*"), component="row", **options)
    chunks = heads.ChunkedHead(HIDDEN, layout.select("0.*"), 7, **options)
    return heads.Join(layout, [chunks, rows, heads.FullHead(HIDDEN, layout.select("4.*"), **options)])


def linked(layout: hd.ParamLayout, **options: object) -> nn.Module:
    return heads.Linked(
        layout, {"*.weight": "tanh"}, lambda part: heads.ComponentHead(HIDDEN, part, component="row", **options)
    )


HEADS: dict[str, Callable[..., nn.Module]] = {
    "full": partial(heads.FullHead, HIDDEN),
    "multi": partial(heads.MultiHead, HIDDEN),
    "factored": lambda layout, **options: heads.FactoredHead(HIDDEN, layout, 2, **options),
    "rows": partial(heads.ComponentHead, HIDDEN, component="row"),
    "layers": partial(heads.ComponentHead, HIDDEN),
    "rows_without_signs": partial(heads.ComponentHead, HIDDEN, component="row", signs=False),
    "join": joined,
    "linked": linked,
}
COMBINES = {
    "replace": targets.Replace,
    "residual": targets.Residual,
    "scale": targets.Scale,
    "gaussian": targets.Gaussian,
}
every_head = pytest.mark.parametrize("make", HEADS.values(), ids=HEADS)


def build(
    make: Callable[..., nn.Module],
    *,
    module: nn.Module | None = None,
    select: str = "*",
    dtype: torch.dtype = torch.float64,
    **options: object,
) -> hd.HyperDNN:
    target = hd.Target((module or net()).to(dtype), select, **options)
    head = make(target.layout, dtype=dtype)
    slots = encoders.Slots(head.slots, 3, dtype=dtype) if head.slots else None
    body = bodies.MLP(5 + (3 if slots else 0), HIDDEN, HIDDEN, dtype=dtype)
    encoder = encoders.Table(CONTEXTS, 5, dtype=dtype)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, slots=slots, body=body, head=head))


def step(model: hd.HyperDNN, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    sum(tensor.square().sum() for tensor in model.generate(torch.arange(CONTEXTS)).values()).backward()
    optimizer.step()


def assert_old_rows(before: dict[str, Tensor], after: dict[str, Tensor], grown: tuple[str, ...]) -> None:
    """Old rows are what they were; a longer matrix product may round otherwise."""
    close = {torch.float64: 1e-13, torch.float32: 1e-6}
    for name, old in before.items():
        new = after[name]
        if name in grown:
            assert new.shape[1] > old.shape[1]
            new = new[:, : old.shape[1]]
        torch.testing.assert_close(new, old, rtol=close[old.dtype], atol=close[old.dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@every_head
def test_old_rows_are_generated_as_before(make: Callable[..., nn.Module], dtype: torch.dtype) -> None:
    model = build(make, dtype=dtype)
    step(model, torch.optim.SGD(model.parameters(), lr=0.1))  # away from the start, where some gains are zero
    context = torch.arange(CONTEXTS)
    before = model.generate(context)
    model.resize("2", 7)
    after = model.generate(context)
    assert {name: tuple(after[name].shape) for name in ("2.weight", "2.bias")} == {
        "2.weight": (3, 7, 4),
        "2.bias": (3, 7),
    }
    assert_old_rows(before, after, ("2.weight", "2.bias"))
    assert model.hypernet.layout == model.target.layout
    assert model.target.module[2].out_features == 7
    assert model.bake(torch.tensor(0))[2].weight.shape == (7, 4)


@every_head
def test_every_number_that_was_there_still_is(make: Callable[..., nn.Module]) -> None:
    """Bit by bit, and the new ones are new: rows of the old matrices in their order, with others in between."""
    model = build(make)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.resize("2", 7)
    after = model.state_dict()
    assert after.keys() == before.keys()
    for name, old in before.items():
        new = after[name]
        if new.shape == old.shape:
            assert torch.equal(new, old), name
            continue
        assert len(new) > len(old)
        rows = iter(new)
        assert all(any(torch.equal(row, candidate) for candidate in rows) for row in old), name


@every_head
def test_new_rows_start_like_the_old_ones(make: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    target = hd.Target(nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 3)))
    head = make(target.layout) if make is not joined else heads.Join(target.layout, [HEADS["rows"](target.layout)])
    slots = encoders.Slots(head.slots, 32) if head.slots else None
    body = bodies.MLP(32 + (32 if slots else 0), 64, HIDDEN)
    model = hd.HyperDNN(target, hd.Hypernet(encoder=encoders.Table(100, 32), slots=slots, body=body, head=head))
    model.resize("0", 60)
    weights = model.generate(torch.arange(100))
    for name in ("0.weight", "0.bias"):
        fresh = weights[name][:, 20:]
        old = weights[name][:, :20]
        assert fresh.std().item() == pytest.approx(old.std().item(), rel=0.25)
        assert abs((fresh.mean() - old.mean()).item()) < 0.5 * old.std().item()


@pytest.mark.parametrize("combine", COMBINES.values(), ids=COMBINES)
@every_head
def test_base_weights_grow_too(make: Callable[..., nn.Module], combine: type) -> None:
    if make is linked and combine is targets.Gaussian:
        make = HEADS["full"]  # there is no tensor called weight there
    model = build(make if make is not joined else HEADS["rows"], combine=combine(), train_base=True)
    base = {name: p for name, p in model.target.named_parameters() if name.startswith("base.2.")}
    model.resize("2", 6)
    for name, old in base.items():
        new = model.target.get_parameter(name)
        assert new.requires_grad
        assert len(new) == 6
        assert torch.equal(new[:5], old)
    effective = model.target.effective(model.generate(torch.arange(CONTEXTS)))
    assert effective["2.weight"].shape == (3, 6, 4)
    if combine in (targets.Residual, targets.Scale):  # changes start at zero, for new rows too
        assert torch.equal(effective["2.weight"][0], model.target.base["2.weight"])


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
@every_head
def test_the_optimiser_keeps_its_state_and_zeros_for_new_rows(
    make: Callable[..., nn.Module], kind: type[torch.optim.Optimizer]
) -> None:
    model = build(make)
    options = {"momentum": 0.9} if kind in (torch.optim.SGD, torch.optim.RMSprop) else {}
    optimizer = kind(model.parameter_groups(), lr=0.01, **options)
    for _ in range(3):
        step(model, optimizer)
    old = dict(model.named_parameters())
    states = {name: copy.deepcopy(optimizer.state[p]) for name, p in old.items()}
    model.resize("2", 7, optimizer=optimizer)
    new = dict(model.named_parameters())
    assert {id(p) for group in optimizer.param_groups for p in group["params"]} == {id(p) for p in new.values()}
    assert {id(p) for p in optimizer.state} == {id(p) for p in new.values()}
    assert any(new[name] is not p for name, p in old.items())
    for name, state in states.items():
        for key, value in state.items():
            found = optimizer.state[new[name]][key]
            if not isinstance(value, Tensor) or value.ndim == 0 or value.shape == found.shape:
                assert torch.equal(torch.as_tensor(found), torch.as_tensor(value)), (name, key)
                continue
            numbers = [p.detach().flatten(1) if p.ndim > 1 else p.detach()[:, None] for p in (new[name], old[name])]
            kept = (numbers[0][:, None] == numbers[1][None]).all(2).any(1)
            assert torch.equal(found[kept], value), (name, key)
            assert not found[~kept].any()
    before = model.generate(torch.arange(CONTEXTS))
    step(model, optimizer)
    after = model.generate(torch.arange(CONTEXTS))
    assert not torch.equal(after["2.weight"][:, 5:], before["2.weight"][:, 5:])


def test_training_goes_on_as_if_nothing_had_happened() -> None:
    """With the new rows out of the loss, Adam takes the very steps that it would have taken without them."""
    torch.manual_seed(0)
    model = build(HEADS["rows"])
    twin = copy.deepcopy(model)
    optimizers = [torch.optim.Adam(m.parameters(), lr=0.01) for m in (model, twin)]

    def train(m: hd.HyperDNN, optimizer: torch.optim.Optimizer) -> Tensor:
        optimizer.zero_grad()
        weights = m.generate(torch.arange(CONTEXTS))
        loss = weights["2.weight"][:, :5].square().sum() + weights["3.weight"].square().sum()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        train(model, optimizers[0])
        train(twin, optimizers[1])
    model.resize("2", 7, optimizer=optimizers[0])
    for _ in range(5):
        torch.testing.assert_close(train(model, optimizers[0]), train(twin, optimizers[1]), rtol=1e-10, atol=0)


@pytest.mark.parametrize("make", [HEADS[name] for name in ("full", "multi", "factored", "rows", "layers")])
def test_a_grown_model_is_saved_and_loaded(make: Callable[..., nn.Module], tmp_path: Path) -> None:
    model = build(make)
    model.resize("2", 7)
    model.save_pretrained(tmp_path)
    again = hd.HyperDNN.from_pretrained(tmp_path, target=net(7))
    context = torch.arange(CONTEXTS)
    torch.testing.assert_close(again.generate(context), model.generate(context), rtol=0, atol=0)
    again.resize("2", 9)
    assert again.generate(context)["2.bias"].shape == (3, 9)
    with pytest.raises(LayoutError, match=r"'2\.weight' is \(7, 4\), the other's is \(5, 4\)"):
        hd.HyperDNN.from_pretrained(tmp_path, target=net(5))


@every_head
def test_a_copy_grows_by_itself(make: Callable[..., nn.Module]) -> None:
    model = build(make)
    twin = copy.deepcopy(model)
    numbers = model.count()
    twin.resize("2", 6)
    twin.resize("2", 8)
    twin.resize("3", 9)
    assert model.count() == numbers
    assert twin.count().generated == numbers.generated + 3 * 5 + 6 * 4
    assert sum(len(group["params"]) for group in twin.parameter_groups()) == len(list(twin.parameters()))
    model.generate(torch.tensor(0))
    assert twin.generate(torch.tensor(0))["2.bias"].shape == (8,)


def test_more_classes_more_words_and_more_channels() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(6, 4, padding_idx=0)
            self.conv = nn.Conv1d(4, 3, 2)
            self.out = nn.Bilinear(3, 3, 2)

        def forward(self, x: Tensor) -> Tensor:
            features = self.conv(self.words(x).mT).mean(-1)[:, :3]
            return self.out(features, features)

    model = build(HEADS["rows"], module=Net())
    x = torch.tensor([[1, 0, 5], [2, 3, 3]])
    before = model.paired(x, context=torch.arange(2), mode="loop")  # no batching rule for bilinear layers
    model.resize("words", 9)
    model.resize("out", 4)
    model.resize("conv", 5)
    after = model.paired(x, context=torch.arange(2), mode="loop")
    torch.testing.assert_close(after[:, :2], before)
    assert after.shape == (2, 4)
    model.paired(x + 3, context=torch.arange(2), mode="loop")
    plain = model.bake(torch.tensor(1))
    torch.testing.assert_close(plain(x)[1], after[1])
    assert (plain.words.num_embeddings, plain.conv.out_channels, plain.out.out_features) == (9, 5, 4)


UNABLE = {
    "chunks": (lambda layout, **o: heads.ChunkedHead(HIDDEN, layout, 9, **o), "ChunkedHead cannot grow.*Use FullHead"),
    "mine": (lambda layout, **o: Mine(layout), "Mine cannot grow"),
    "within": (
        lambda layout, **o: heads.Join(
            layout,
            [
                heads.FullHead(HIDDEN, layout.select("2.weight", "[034].*"), **o),
                heads.ChunkedHead(HIDDEN, layout.select("2.bias"), 2, **o),
            ],
        ),
        "ChunkedHead cannot grow",
    ),
}


class Mine(nn.Module):
    """A head that knows nothing of growing."""

    slots = None

    def __init__(self, layout: hd.ParamLayout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        return self.layout.split(features.new_zeros(*features.shape[:-1], self.layout.numel))


def assert_unchanged(model: hd.HyperDNN, message: str, error: type[Exception] = ConfigError, **options: object) -> None:
    layout, parameters, state = model.target.layout, dict(model.named_parameters()), model.state_dict()
    with pytest.raises(error, match=message):
        model.resize("2", 7, **options)
    assert model.target.layout is layout
    assert model.target.module[2].out_features == 5
    assert all(model.get_parameter(name) is p for name, p in parameters.items())
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)


@pytest.mark.parametrize(("make", "message"), UNABLE.values(), ids=UNABLE)
def test_a_head_that_cannot_follow_leaves_everything_as_it_was(make: Callable[..., nn.Module], message: str) -> None:
    assert_unchanged(build(make), message)


def test_a_layer_that_shares_its_map_cannot_leave_it() -> None:
    twins = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 5), nn.Linear(4, 5))
    assert_unchanged(build(HEADS["layers"], module=twins), "ComponentHead cannot grow to this size.*component='row'")
    joining = nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(4, 5))
    assert_unchanged(build(HEADS["layers"], module=joining), "would leave its map or join another")


def test_a_head_that_generates_none_of_it_need_not_follow() -> None:
    model = build(joined)  # with chunks for another layer
    model.resize("2", 6)
    with pytest.raises(ConfigError, match="ChunkedHead cannot grow"):
        model.resize("0", 6)


@pytest.mark.parametrize("wrap", [lambda body: body, nn.Sequential], ids=["body", "inside"])
def test_slots_that_look_at_each_other_would_change(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = build(HEADS["rows"])
    model.hypernet.body = wrap(bodies.Attention(8, HIDDEN, heads=2).double())
    assert_unchanged(model, "body (Attention|Sequential) mixes slots.*Use bodies.MLP")


def test_slots_of_ones_own_are_not_known_to_grow() -> None:
    class Own(nn.Module):
        slots, features = 16, 3

    model = build(HEADS["rows"])
    model.hypernet.slots = Own()
    assert_unchanged(model, "slots Own cannot grow: expected encoders.Slots")


def test_a_hypernet_of_ones_own_has_no_known_parts() -> None:
    target = hd.Target(net())
    model = hd.HyperDNN(target, Mine(target.layout))
    assert_unchanged(model, "Mine is not a Hypernet")


def test_an_optimiser_with_another_form_of_state_is_refused() -> None:
    model = build(HEADS["full"])
    optimizer = torch.optim.Adafactor(model.parameters())
    step(model, optimizer)
    assert_unchanged(model, "Adafactor keeps 'row_var' in another form.*build a new one", optimizer=optimizer)


def test_an_optimiser_of_another_model_is_refused() -> None:
    optimizer = torch.optim.Adam(build(HEADS["full"]).parameters())
    assert_unchanged(build(HEADS["full"]), "Adam trains no parameter of this model", optimizer=optimizer)


def test_factors_that_would_share_a_slot_are_refused() -> None:
    """With as many rows as columns both factors of a matrix would lie in the same slots."""
    model = build(
        HEADS["rows"], module=nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(7, 5)), combine=targets.LowRank(2)
    )
    assert_unchanged(model, "one of them would leave its map or join another.*another number of rows")
    before = model.generate(torch.arange(CONTEXTS))
    model.resize("2", 6)
    assert_old_rows(before, model.generate(torch.arange(CONTEXTS)), ("2.weight.left", "2.bias"))
