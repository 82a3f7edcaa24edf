import math
import re
from dataclasses import replace

import pytest
import torch

from hyperdnn import inspect
from hyperdnn.lab.report import swap_figure

A, B = torch.tensor([1.0, 0.0, -1.0]).double(), torch.tensor([0.0, 2.0, 1.0]).double()


@pytest.fixture
def look(linear_model):
    def make(**truth):
        data = [inspect.Probe(name="p", inputs=torch.randn(4, 3).double())]
        return inspect.swap(linear_model(**truth), A, B, data, names=("left", "right"))

    return make


def test_both_ways_are_named_and_told_apart_without_colour(look):
    figure = swap_figure(look())
    for text in ("left with layer of right", "right with layer of left", "% of the whole difference", ">0<", ">2<"):
        assert text in figure.image
    assert "<pattern" in figure.image
    assert figure.title == "Layers that carry the difference between left and right"


@pytest.mark.parametrize("layer", ["0", "2", "3"])
def test_the_one_layer_that_adapts_reaches_the_whole(look, layer):
    figure = swap_figure(look(only=layer))
    assert f"Layer '{layer}' alone carries the whole difference" in figure.caption
    widths = [float(w) for w in _widths(figure.image)]
    assert sum(w > 1 for w in widths) == 2  # its two bars; all others are of no length


def _widths(image):
    """Lengths of the bars."""
    for path in re.findall(r'<path d="([^"]*)" clip-path[^>]*style="[^"]*fill: (?:#|url)', image):
        xs = [float(x) for x in re.findall(r"[ML] ([\d.]+) [\d.]+", path)]
        yield max(xs) - min(xs)


def test_the_same_outputs_are_said(look):
    figure = swap_figure(look(idle=(0, 1, 2)))
    assert "give the same outputs" in figure.caption
    assert "nan" not in figure.image


def test_of_many_layers_the_strongest_are_shown(look):
    found, shares = look(), torch.linspace(0, 1, 30)[None].double()
    names = tuple(f"encoder.layers.{k}.linear" for k in range(30))
    many = replace(found, layers=names, weights=shares[0], taken=shares, left=1 - shares, lost=shares)
    figure = swap_figure(many)
    assert "The 20 strongest of 30 layers are shown." in figure.caption
    assert "encoder.layers.29.linear" in figure.image
    assert "encoder.layers.9.linear" not in figure.image


def test_what_is_not_finite_is_left_empty(look):
    found = look()
    broken = replace(found, taken=found.taken * math.inf, difference=found.difference * math.nan)
    figure = swap_figure(broken)
    assert "nan" not in figure.image
    assert "Outputs are not finite" in figure.caption
