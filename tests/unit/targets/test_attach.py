import copy
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, targets
from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.nn import Attached, LoRA

Attach = Callable[..., tuple[str, ...]]

ATTACH: dict[str, tuple[Attach, str]] = {
    "lora": (partial(targets.attach_lora, rank=2, alpha=4.0), "*.lora_*"),
    "film": (targets.attach_film, "*.film.*"),
    "adapter": (partial(targets.attach_adapter, bottleneck=2), "*.adapter.*"),
}


class Attention(nn.Module):
    """One head, in linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return (self.query(x) @ self.key(x).mT).softmax(-1) @ self.value(x)


class Reader(nn.Module):
    """An embedding, attention with a residual, a normalisation, a last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 6, padding_idx=0)
        self.attn = Attention()
        self.norm = nn.LayerNorm(6)
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embedding(x)
        return self.out(self.norm(x + self.attn(x)).mean(-2))


def _mlp() -> tuple[nn.Module, Tensor]:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), torch.randn(4, 5, 6)


def _cnn() -> tuple[nn.Module, Tensor]:
    convs = nn.Conv2d(3, 6, 3, stride=2), nn.GroupNorm(2, 6), nn.Tanh(), nn.Conv2d(6, 4, 2, groups=2)
    return nn.Sequential(*convs, nn.Flatten(), nn.Linear(16, 3)), torch.randn(4, 5, 3, 7, 7)


def _reader() -> tuple[nn.Module, Tensor]:
    return Reader(), torch.randint(9, (4, 5, 7))


NETS = {"mlp": _mlp, "cnn": _cnn, "reader": _reader}
BOTH = [pytest.mark.parametrize("net", NETS), pytest.mark.parametrize("kind", ATTACH)]


def _attached(net: str, kind: str) -> tuple[nn.Module, nn.Module, Tensor, hd.Target]:
    """The net as it was, the same with attachments, data for four contexts, and its target."""
    torch.manual_seed(0)
    module, x = NETS[net]()
    before = copy.deepcopy(module)
    attach, select = ATTACH[kind]
    attach(module.requires_grad_(False), "*")
    return before, module, x, hd.Target(copy.deepcopy(module), select=select)


def _model(target: hd.Target) -> hd.HyperDNN:
    encoder, body = encoders.Table(contexts=4, features=5), bodies.MLP(5, 16)
    return hd.HyperDNN(target, hd.Hypernet(encoder=encoder, body=body, head=heads.FullHead(16, target.layout)))


@BOTH[0]
@BOTH[1]
def test_the_module_computes_what_it_did(net: str, kind: str) -> None:
    before, after, x, _ = _attached(net, kind)
    assert torch.equal(after(x[0]), before(x[0]))
    assert {name for name, p in after.named_parameters() if p.requires_grad} == set(
        hd.ParamLayout.of(after, ATTACH[kind][1]).names
    )


@BOTH[0]
@BOTH[1]
def test_a_model_starts_as_the_base_exactly_and_then_trains(net: str, kind: str) -> None:
    before, _, x, target = _attached(net, kind)
    model = _model(target)
    assert torch.equal(model(x[1], context=torch.tensor(1)), before(x[1]))
    torch.testing.assert_close(model(x, context=torch.arange(4)), torch.stack([before(part) for part in x]))
    assert torch.equal(model(x, context=torch.arange(4)), torch.vmap(before)(x))
    labels = torch.randint(3, (20,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        loss = F.cross_entropy(model(x, context=torch.arange(4)).flatten(0, 1), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    assert losses[-1] < losses[0] - 0.1


@BOTH[0]
@BOTH[1]
def test_many_contexts_agree_with_a_loop(net: str, kind: str) -> None:
    _, after, x, target = _attached(net, kind)
    weights = {spec.name: torch.randn(4, *spec.shape) * 0.3 for spec in target.layout}
    rows = [{name: weight[i] for name, weight in weights.items()} for i in range(4)]

    def manual(row: dict[str, Tensor], x: Tensor) -> Tensor:
        own = copy.deepcopy(after)
        own.load_state_dict(row, strict=False)
        return own(x)

    torch.testing.assert_close(target(rows[2], x[2]), manual(rows[2], x[2]))
    expected = torch.stack([manual(*pair) for pair in zip(rows, x, strict=True)])
    torch.testing.assert_close(target.batched(weights, x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(target.paired(weights, x[:, 0]), expected[:, 0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(target.bake(rows[3])(x[3]), expected[3], rtol=1e-4, atol=1e-5)


@BOTH[0]
@BOTH[1]
def test_saved_is_loaded(net: str, kind: str) -> None:
    _, after, x, _ = _attached(net, kind)
    for parameter in after.parameters():
        nn.init.normal_(parameter, std=0.3)
    other, _ = NETS[net]()
    ATTACH[kind][0](other, "*")
    other.load_state_dict(after.state_dict())
    assert torch.equal(other(x[0]), after(x[0]))


def test_it_compiles_as_one_graph() -> None:
    """Outside of pytest: the wrappers that check shapes at run time are not for the compiler to trace."""
    ran = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.split() == list(ATTACH)


def test_globs_types_and_unions_say_which_layers() -> None:
    attach = targets.attach_lora
    assert attach(Reader(), "attn.*", 2) == ("attn.query", "attn.key", "attn.value")
    assert attach(Reader(), nn.Embedding, 2) == ("embedding",)
    assert attach(Reader(), ["out", nn.Embedding, "attn.q*", "*.query"], 2) == ("embedding", "attn.query", "out")
    assert targets.attach_film(Reader(), (nn.LayerNorm,)) == ("norm",)


def test_a_layer_that_stands_in_the_module_twice_stays_one() -> None:
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.Sequential(nn.ReLU(), shared))
    assert targets.attach_lora(net, "1.1", 2) == ("0",)
    assert isinstance(net[0], LoRA)
    assert net[0] is net[1][1]
    assert hd.Target(net, select="*.lora_*").layout["0.lora_a.weight"].aliases == ("1.1.lora_a.weight",)


def test_what_is_attached_stacks_up() -> None:
    net, x = Reader(), torch.randint(9, (2, 7))
    before = net(x)
    targets.attach_lora(net, "attn.*", 2)
    targets.attach_adapter(net, "attn.*", 2)
    assert targets.attach_film(net, nn.Linear) == ("attn.query", "attn.key", "attn.value", "out")
    assert isinstance(net.attn.query, Attached)
    assert torch.equal(net(x), before)
    assert len(hd.ParamLayout.of(net, "*.lora_*", "*.film.*", "*.adapter.*")) == 3 * (2 + 2 + 4) + 2
    with pytest.raises(LayoutError, match=r"'attn.query' has LoRA already"):
        targets.attach_lora(net, "attn.*", 2)
    with pytest.raises(LayoutError, match=r"'attn.query' has adapter already"):
        targets.attach_adapter(net, "*", 2)
    with pytest.raises(LayoutError, match=r"'out' has film behind it. Attach LoRA first"):
        targets.attach_lora(net, "out", 2)


def test_type_and_device_follow_the_layer() -> None:
    net = Reader().to(torch.float64)
    targets.attach_lora(net, "*", 2)
    targets.attach_film(net, "*")
    targets.attach_adapter(net, "*", 2)
    assert {p.dtype for p in net.parameters()} == {torch.float64}
    norm = nn.Sequential(nn.BatchNorm2d(3, affine=False, device="meta"))
    targets.attach_film(norm, "*")
    assert norm[0].film.gain.is_meta


def test_pooled_statistics_reach_a_wrapped_normalisation() -> None:
    net, x = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), torch.randn(3, 5, 6)
    before = copy.deepcopy(net)
    targets.attach_film(net, "1")
    target = hd.Target(net, select="*.film.*", buffers="shared")
    zero = {spec.name: torch.zeros(3, *spec.shape) for spec in target.layout}
    expected = before(x.flatten(0, 1)).unflatten(0, (3, 5))
    torch.testing.assert_close(target.batched(zero, x), expected)
    baked = target.bake({name: weight[0] for name, weight in zero.items()})
    assert type(baked[1].base) is nn.BatchNorm1d
    torch.testing.assert_close(baked[1].base.running_mean, before[1].running_mean)


def test_torch_transformers_run_without_their_fused_path() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    net, x = nn.TransformerEncoder(layer, 2).eval(), torch.randn(3, 5, 8)
    mask = torch.arange(5) >= torch.tensor([[5], [4], [3]])
    before = net(x, src_key_padding_mask=mask)
    targets.attach_lora(net, "*.linear?", 2)
    targets.attach_film(net, "*.norm?")
    for parameters in (net.layers[1].linear2.lora_b.weight, net.layers[0].norm1.film.gain):
        torch.testing.assert_close(net(x, src_key_padding_mask=mask), before)
        nn.init.normal_(parameters)
        with torch.no_grad():  # where torch would take it
            changed = net(x, src_key_padding_mask=mask)
        assert not torch.allclose(changed, before)
        nn.init.zeros_(parameters)


@pytest.mark.parametrize("select", ["*", "attn", "attn.out_proj", nn.MultiheadAttention])
@pytest.mark.parametrize("kind", ATTACH)
def test_fused_attention_is_refused_with_a_way_out(kind: str, select: str | type[nn.Module]) -> None:
    net = nn.ModuleDict({"first": nn.Linear(4, 4), "attn": nn.MultiheadAttention(4, 2)})
    names = list(net.state_dict())
    with pytest.raises(LayoutError, match=r"nn.MultiheadAttention reads .* select='attn.\*weight'"):
        ATTACH[kind][0](net, select)
    assert list(net.state_dict()) == names
    way_out = hd.Target(net, select="attn.*weight", combine=targets.LowRank(2))
    assert set(way_out.layout.names) == {
        f"attn.{leaf}.{side}" for leaf in ("in_proj_weight", "out_proj.weight") for side in ("left", "right")
    }


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("*.atn.*", "select='\\*.atn.\\*' matches no layer"),
        ("*.kye", r"matches no layer. Did you mean '\*.key'"),
        ("attn.quary", "matches no layer. Did you mean 'attn.query'"),
        ("attn", "matches no linear layer, embedding or convolution that could get LoRA, only Attention"),
        (nn.Conv2d, "select=Conv2d matches no layer. Found: Embedding, Linear"),
        (["out", "norm"], "only LayerNorm"),
        ([], "select is empty"),
    ],
)
def test_an_empty_match_is_refused_and_changes_nothing(select: object, message: str) -> None:
    net = Reader()
    names = list(net.state_dict())
    with pytest.raises(LayoutError, match=message):
        targets.attach_lora(net, select, 2)
    assert list(net.state_dict()) == names


def test_a_rank_above_the_matrix_names_the_layer_and_changes_nothing() -> None:
    net = Reader()
    names = list(net.state_dict())
    with pytest.raises(ConfigError, match=r"'out': LoRA: expected a rank from 1 to 3"):
        targets.attach_lora(net, "*", 4)
    assert list(net.state_dict()) == names


def test_other_mistakes_are_named() -> None:
    with pytest.raises(LayoutError, match=r"Put it into an nn.Sequential"):
        targets.attach_lora(nn.Linear(3, 3), "*", 1)
    with pytest.raises(ConfigError, match=r"'1': .* no shape yet"):
        targets.attach_film(nn.Sequential(nn.Linear(2, 3), nn.LazyBatchNorm1d()), "*")
    target = hd.Target(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), select="0.*")
    for taken in (target, target.module):
        with pytest.raises(LayoutError, match="already took over this Linear"):
            targets.attach_lora(taken, "*", 1)
    assert targets.attach_lora(target.module, "1", 1) == ("1",)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for kind in ATTACH:
        _, _, x, target = _attached("reader", kind)
        model = _model(target)
        for inputs, context in ((x, torch.arange(4)), (x[0], torch.tensor(2))):
            torch._dynamo.reset()
            compiled = torch.compile(model, backend="eager", fullgraph=True)
            torch.testing.assert_close(compiled(inputs, context=context), model(inputs, context=context))
        print(kind)
