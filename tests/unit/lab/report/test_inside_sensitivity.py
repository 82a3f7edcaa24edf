import json
import math
from dataclasses import replace

import pytest
import torch

from hyperdnn import inspect
from hyperdnn.lab.report import sensitivity_figure


@pytest.fixture
def look(linear_model):
    def make(contexts=5, *, features=3, names=(), probes=("data",), **truth):
        data = [inspect.Probe(name=name, inputs=torch.randn(4, 3).double()) for name in probes]
        context = torch.randn(contexts, features).double()
        return inspect.sensitivity(linear_model(features, **truth), context, data, names=names)

    return make


def texts(figure):
    return [part.partition("<")[0] for part in figure.image.split(">") if part.partition("<")[0].strip()]


def test_every_cell_has_its_number_and_every_row_its_name(look):
    found = look(names=("wind", "rain", "sun"))
    figure = sensitivity_figure(found)
    written = texts(figure)
    for name in ("wind", "rain", "sun", "0", "2", "3", "outputs: data", "coordinate of the context"):
        assert name in written
    for value in (100 * found.relative_weights).flatten().tolist():
        assert (f"{value:.0f}" if value >= 10 else f"{value:.2g}") in written
    assert "change for one standard deviation" in written


def test_the_coordinate_that_does_nothing_has_zeros(look):
    figure = sensitivity_figure(look(names=("wind", "rain", "sun"), idle=(1,)))
    assert texts(figure).count("0") >= 4  # three layers and the outputs, beside the scale
    assert "does nothing: 'rain'" in figure.alt


def test_layers_that_ignore_the_context_have_zeros(look):
    figure = sensitivity_figure(look(only="2", probes=()))
    assert texts(figure).count("0") >= 6
    assert "2 of 3 layers ignore the context" in figure.alt


def test_an_ignored_context_is_drawn(look):
    figure = sensitivity_figure(look(idle=(0, 1, 2)))
    assert "the context is ignored" in figure.alt
    assert "nan" not in figure.image


def test_one_context_has_units(look):
    figure = sensitivity_figure(look(contexts=1))
    assert "change for one unit" in texts(figure)
    assert "by derivatives, of one context." in figure.caption


def test_of_many_the_strongest_are_shown(look):
    found = look(features=64, idle=(7,), probes=[f"task {k}" for k in range(9)])
    many = replace(
        found,
        layers=tuple(f"encoder.layers.{k}.self_attn.out_proj" for k in range(30)),
        weights=found.weights[:, :1] * torch.linspace(0.1, 1, 30),
        sizes=torch.ones(30).double(),
    )
    figure = sensitivity_figure(many)
    for said in ("The 16 strongest of 64 coordinates", "The 16 strongest of 30 layers", "The 4 strongest of 9 probes"):
        assert said in figure.caption
    written = texts(figure)
    assert "8" not in written  # the idle one
    assert "\N{HORIZONTAL ELLIPSIS}s.29.self_attn.out_proj" in written
    assert not any(".13." in name for name in written)


def test_what_is_not_finite_is_left_empty(look):
    found = look()
    broken = replace(found, weights=torch.full_like(found.weights, math.nan))
    figure = sensitivity_figure(broken)
    assert "nan" not in texts(figure)
    assert "Derivatives are not finite: '0', '2' and '3'." in figure.alt
    json.dumps(broken.to_json(), allow_nan=False)


def test_long_names_of_coordinates_stand_in_several_lines(look):
    written = texts(sensitivity_figure(look(names=("share of the first digit", "wind", "sun"))))
    assert {"share of the", "first digit", "wind"} <= set(written)
    many = texts(sensitivity_figure(look(features=12, names=[f"share of digit number {k}" for k in range(12)])))
    assert "share o\N{HORIZONTAL ELLIPSIS}number 3" in many
