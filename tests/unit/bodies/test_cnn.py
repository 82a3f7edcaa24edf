import jaxtyping
import pytest
import torch
from torch.nn import functional as F

from hyperdnn.bodies import CNN
from hyperdnn.errors import ConfigError
from hyperdnn.nn import SlotConvolution


def test_it_is_a_convolution_over_slots_with_zeros_beyond_the_ends() -> None:
    body, rows = CNN(3, 5, activation="identity"), torch.randn(2, 4, 3)
    (convolution, _) = body.layers
    padded = F.pad(rows, (0, 0, 1, 1))
    for slot in range(4):
        window = padded[:, slot : slot + 3]
        expected = torch.einsum("bsf,hfs->bh", window, convolution.convolution.weight)
        expected = expected * (1 if 0 < slot < 3 else 1.5**0.5) + convolution.bias  # two of three slots at the ends
        torch.testing.assert_close(body(rows)[:, slot], expected)


@pytest.mark.parametrize(("kernel", "layers", "reach"), [(1, 2, 0), (3, 1, 1), (5, 1, 2), (3, 2, 2)])
def test_a_slot_sees_its_neighbours(kernel: int, layers: int, reach: int) -> None:
    body, rows = CNN(3, *[8] * layers, kernel=kernel, activation="tanh"), torch.randn(9, 3)
    changed = rows.clone()
    changed[4] += 1
    moved = (body(changed) - body(rows)).abs().amax(-1) > 1e-4
    assert moved.tolist() == [abs(slot - 4) <= reach for slot in range(9)]


def test_the_second_moment_is_kept_through_many_relu_layers() -> None:
    torch.manual_seed(0)
    out = CNN(64, *[64] * 6)(torch.randn(20, 50, 64))
    assert 0.3 < out.square().mean().item() < 3


def test_biases_start_at_zero() -> None:
    assert torch.equal(CNN(3, 8, 5)(torch.zeros(4, 3)), torch.zeros(4, 5))


def test_a_residual_adds_the_input_where_widths_agree() -> None:
    body, x = CNN(3, 8, 8, 8, 5, residual=True), torch.randn(4, 3)
    first, second, third, last = [m for m in body.modules() if isinstance(m, SlotConvolution)]
    h = first(x).relu()
    h = h + second(h).relu() / 2
    h = h + third(h).relu() / 2
    torch.testing.assert_close(body(x), last(h).relu())


def test_a_norm_is_of_each_slot_by_itself() -> None:
    out = CNN(3, 8, activation="identity", norm="layer")(5 + 3 * torch.randn(20, 4, 3))
    torch.testing.assert_close(out.mean(-1), torch.zeros(20, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(-1, correction=0), torch.ones(20, 4), atol=1e-3, rtol=0)


def test_dropout_acts_in_training_only() -> None:
    body, x = CNN(3, 64, activation="identity", dropout=0.5), torch.randn(100, 3)
    assert 0.4 < (body(x) == 0).float().mean().item() < 0.6
    assert (body.eval()(x) != 0).all()


def test_it_differentiates_twice() -> None:
    body = CNN(3, 4, 4, activation="tanh", norm="layer", residual=True).double()
    rows = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(body, (rows,), fast_mode=True)


def test_it_runs_under_vmap() -> None:
    body, rows = CNN(3, 5, 4, activation="gelu"), torch.randn(2, 6, 3)
    weights = {name: torch.stack([p, 2 * p]) for name, p in body.named_parameters()}
    mapped = torch.vmap(lambda w: torch.func.functional_call(body, w, (rows,)))(weights)
    for i in range(2):
        alone = torch.func.functional_call(body, {name: w[i] for name, w in weights.items()}, (rows,))
        torch.testing.assert_close(mapped[i], alone)


def test_sizes_and_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="CNN needs at least one width"):
        CNN(3)
    with pytest.raises(ConfigError, match=r"kernel must be odd, .* got 4"):
        CNN(3, 8, kernel=4)
    with pytest.raises(ConfigError, match="activation 'gelo' is unknown"):
        CNN(3, 8, activation="gelo")
    with pytest.raises(ConfigError, match=r"activation 'sine' needs layers .* which bodies\.MLP has"):
        CNN(3, 8, activation="sine")
    with pytest.raises(ConfigError, match=r"residual: no layer of CNN\(3, 8\) is as wide as its input"):
        CNN(3, 8, residual=True)


def test_an_unknown_norm_gets_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for a user: types are checked in tests only
    with pytest.raises(ConfigError, match=r"norm 'layr' is unknown\. Did you mean 'layer'\?"):
        CNN(3, 8, norm="layr")
