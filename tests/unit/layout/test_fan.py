"""Kind and fans of every torch layer, by hand."""

import pytest
import torch
from torch import nn

from hyperdnn import ParamLayout


def roles(module: nn.Module) -> dict[str, tuple[str, int, int]]:
    return {spec.name: (spec.kind, spec.fan_in, spec.fan_out) for spec in ParamLayout.of(module)}


def test_linear() -> None:
    assert roles(nn.Linear(3, 5)) == {"weight": ("linear", 3, 5), "bias": ("bias", 3, 5)}


def test_bilinear_sums_over_all_pairs_of_inputs() -> None:
    assert roles(nn.Bilinear(3, 4, 5)) == {"weight": ("linear", 12, 5), "bias": ("bias", 12, 5)}


@pytest.mark.parametrize(
    ("layer", "kind", "fan_in", "fan_out"),
    [
        (nn.Conv1d(4, 6, 5), "convolution", 4 * 5, 6 * 5),
        (nn.Conv2d(4, 6, (3, 2), stride=2), "convolution", 4 * 6, 6 * 6),
        (nn.Conv3d(4, 6, 2), "convolution", 4 * 8, 6 * 8),
        (nn.Conv2d(4, 6, 3, groups=2), "convolution", 2 * 9, 3 * 9),
        (nn.Conv2d(4, 8, 3, groups=4), "convolution", 9, 2 * 9),
        (nn.ConvTranspose1d(4, 6, 5), "transposed_convolution", 4 * 5, 6 * 5),
        (nn.ConvTranspose2d(4, 6, 3), "transposed_convolution", 4 * 9, 6 * 9),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), "transposed_convolution", 2 * 9, 3 * 9),
        (nn.ConvTranspose3d(4, 6, 2), "transposed_convolution", 4 * 8, 6 * 8),
    ],
    ids=repr,
)
def test_convolutions_count_the_kernel_and_the_channels_of_one_group(
    layer: nn.Module, kind: str, fan_in: int, fan_out: int
) -> None:
    assert roles(layer) == {"weight": (kind, fan_in, fan_out), "bias": ("bias", fan_in, fan_out)}


@pytest.mark.parametrize("layer", [nn.Conv2d(4, 6, 3, groups=2), nn.ConvTranspose2d(4, 6, 3, groups=2)], ids=repr)
def test_a_convolution_of_unit_weights_sums_its_fan_in(layer: nn.Module) -> None:
    (spec, _) = ParamLayout.of(layer)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(0.0)
        assert layer(torch.ones(1, 4, 9, 9))[0, 0, 4, 4] == spec.fan_in


@pytest.mark.parametrize("layer", [nn.Embedding(10, 6), nn.EmbeddingBag(10, 6)], ids=repr)
def test_an_embedding_reads_one_row(layer: nn.Module) -> None:
    assert roles(layer) == {"weight": ("embedding", 1, 6)}


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(4),
        nn.BatchNorm2d(4),
        nn.BatchNorm3d(4),
        nn.SyncBatchNorm(4),
        nn.InstanceNorm1d(4, affine=True),
        nn.InstanceNorm2d(4, affine=True),
        nn.LayerNorm((2, 4)),
        nn.GroupNorm(2, 4),
    ],
    ids=repr,
)
def test_a_norm_has_a_gain_and_a_bias(layer: nn.Module) -> None:
    assert roles(layer) == {"weight": ("norm_gain", 1, 1), "bias": ("norm_bias", 1, 1)}


def test_root_mean_square_norm_has_a_gain_only() -> None:
    assert roles(nn.RMSNorm(4)) == {"weight": ("norm_gain", 1, 1)}


def test_attention_stacks_three_maps_of_equal_width() -> None:
    assert roles(nn.MultiheadAttention(8, 2)) == {
        "in_proj_weight": ("in_projection", 8, 8),
        "in_proj_bias": ("bias", 8, 8),
        "out_proj.weight": ("linear", 8, 8),
        "out_proj.bias": ("bias", 8, 8),
    }


@pytest.mark.parametrize(("kdim", "vdim"), [(5, 6), (5, None), (None, 6)])
def test_attention_of_other_keys_and_values_has_three_maps(kdim: int | None, vdim: int | None) -> None:
    found = roles(nn.MultiheadAttention(8, 2, kdim=kdim, vdim=vdim, add_bias_kv=True))
    assert found["q_proj_weight"] == ("linear", 8, 8)
    assert found["k_proj_weight"] == ("linear", kdim or 8, 8)
    assert found["v_proj_weight"] == ("linear", vdim or 8, 8)
    assert {found[name] for name in ("in_proj_bias", "bias_k", "bias_v")} == {("bias", 8, 8)}


@pytest.mark.parametrize("layer", [nn.LSTM(3, 4, 2), nn.GRU(3, 4, 2), nn.RNN(3, 4, 2)], ids=repr)
def test_recurrent_layers_know_input_from_recurrent_maps(layer: nn.Module) -> None:
    found = roles(layer)
    assert found["weight_ih_l0"] == ("recurrent_input", 3, 4)
    assert found["weight_ih_l1"] == ("recurrent_input", 4, 4)
    assert found["weight_hh_l0"] == found["weight_hh_l1"] == ("recurrent_hidden", 4, 4)
    assert found["bias_ih_l0"] == found["bias_hh_l1"] == ("bias", 4, 4)


def test_a_second_bidirectional_layer_reads_both_directions() -> None:
    assert roles(nn.GRU(3, 4, 2, bidirectional=True))["weight_ih_l1_reverse"] == ("recurrent_input", 8, 4)


def test_a_projection_sends_the_cell_to_its_output() -> None:
    found = roles(nn.LSTM(3, 6, proj_size=2))
    assert found["weight_hh_l0"] == ("recurrent_hidden", 2, 6)
    assert found["weight_hr_l0"] == ("recurrent_hidden", 6, 2)


@pytest.mark.parametrize("cell", [nn.LSTMCell(3, 4), nn.GRUCell(3, 4), nn.RNNCell(3, 4)], ids=repr)
def test_cells_are_like_layers(cell: nn.Module) -> None:
    assert roles(cell) == {
        "weight_ih": ("recurrent_input", 3, 4),
        "weight_hh": ("recurrent_hidden", 4, 4),
        "bias_ih": ("bias", 4, 4),
        "bias_hh": ("bias", 4, 4),
    }


@pytest.mark.parametrize(("shape", "fans"), [((), (1, 1)), ((5,), (1, 1)), ((5, 3), (3, 5)), ((5, 3, 2), (6, 5))])
def test_a_bare_parameter_goes_by_its_shape(shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    module = nn.Module()
    module.scale = nn.Parameter(torch.zeros(shape))
    assert roles(module) == {"scale": ("other", *fans)}


def test_a_subclass_is_what_its_base_is() -> None:
    class MyLinear(nn.Linear):
        pass

    assert roles(MyLinear(3, 5))["weight"] == ("linear", 3, 5)
