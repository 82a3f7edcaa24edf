import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from hyperdnn import inspect
from hyperdnn.lab.report import path_figures

START, END = torch.tensor([1.0, 0.0, -1.0]).double(), torch.tensor([0.0, 2.0, 1.0]).double()


def probe(name, measure="error (metres)"):
    targets = torch.randn(4, 2).double()
    return inspect.Probe(
        name=name, inputs=torch.randn(4, 3).double(), targets=targets, loss=F.mse_loss, measure=measure
    )


@pytest.fixture
def found(linear_model):
    data = [probe("left"), probe("right")]
    return inspect.path(linear_model(), START, END, data, steps=5, names=("one", "two"))


def test_losses_are_drawn_with_their_unit_and_both_ends(found):
    (figure,) = path_figures(found)
    assert figure.title == "From one to two: error"
    for text in ("left", "right", "weights mixed", ">error (metres)<", ">one<", ">two<", ">50 %<"):
        assert text in figure.image
    assert "1.00 times the straight distance" in figure.caption
    assert "No barrier on 'left' and 'right'" in figure.alt


def test_each_kind_of_loss_has_a_figure(linear_model):
    data = [probe("left"), probe("centre", "likelihood (nats)"), probe("right")]
    metres, nats = path_figures(inspect.path(linear_model(), START, END, data, steps=3))
    assert "centre" not in metres.image
    assert "left" not in nats.image
    assert "likelihood (nats)" in nats.image


def test_without_a_loss_the_change_of_outputs_is_drawn(linear_model):
    data = [inspect.Probe(name="inputs", inputs=torch.randn(4, 3).double())]
    (figure,) = path_figures(inspect.path(linear_model(), START, END, data, names=("one", "two")))
    assert "change of outputs since one" in figure.image
    assert path_figures(inspect.path(linear_model(), START, END)) == []


def test_a_barrier_is_higher_than_its_ends(found):
    hill = torch.tensor([[0.0, 1.0, 3.0, 1.0, 0.0]]).double()
    flat = replace(
        found,
        probes=("hill",),
        measures=("error",),
        losses=hill,
        mixed_losses=0 * hill,
        changes=hill,
        mixed_changes=hill,
    )
    (figure,) = path_figures(flat)
    assert "barrier: the error is 3 at 50% of the way" in figure.alt
    assert figure.image != path_figures(replace(flat, losses=0 * hill))[0].image


def test_of_many_probes_those_that_change_most_are_drawn(linear_model):
    data = [probe(f"task {k} with a long name") for k in range(9)]
    (figure,) = path_figures(inspect.path(linear_model(), START, END, data, steps=3))
    assert "The 6 strongest of 9 probes are shown." in figure.caption
    assert sum(f"task {k}" in figure.image for k in range(9)) == 6


def test_losses_that_are_not_finite_leave_gaps(found):
    (figure,) = path_figures(replace(found, losses=torch.full_like(found.losses, math.inf)))
    assert "nan" not in figure.image
    nothing = replace(found, losses=found.losses * math.nan, mixed_losses=found.mixed_losses * math.nan)
    assert "no data" in path_figures(nothing)[0].image
