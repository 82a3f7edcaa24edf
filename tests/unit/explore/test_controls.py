import math

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, lab
from hyperdnn.errors import ContextError
from hyperdnn.explore._controls import MOST, Controls
from hyperdnn.explore._scene import Scene


def _shares(width: int) -> Controls:
    target = hd.Target(nn.Linear(1, 1))
    hypernet = hd.Hypernet(
        encoder=encoders.Simplex(width), body=nn.Identity(), head=heads.FullHead(width, target.layout)
    )
    contexts = torch.full((2, width), 1 / width)
    return Controls(Scene(lab.View(model=hd.HyperDNN(target, hypernet), contexts=contexts, names=["a", "b"])))


def test_contexts_without_numbers_are_picked_and_blended(tasks, pictures):
    for view in (tasks, pictures):
        scene = Scene(view)
        controls = Controls(scene)
        assert controls.kind == "known"
        assert controls.sliders == ()
        row = controls.row(scene.known[0].tolist(), [], 2, 0.25)
        torch.testing.assert_close(row, 0.75 * scene.known[0] + 0.25 * scene.known[2])


def test_two_shares_have_one_slider(preferences):
    controls = Controls(Scene(preferences))
    assert controls.kind == "shares"
    assert [slider.label for slider in controls.sliders] == ["share of the first"]
    torch.testing.assert_close(controls.row([0.5, 0.5], [0.3], None, 0.0), torch.tensor([0.3, 0.7]))
    torch.testing.assert_close(controls.row([1.0, 0.0], [0.3], None, 0.0), torch.tensor([0.3, 0.7]))


def test_several_shares_are_scaled_to_one():
    controls = _shares(3)
    assert len(controls.sliders) == 3
    torch.testing.assert_close(controls.row([1.0, 0.0, 0.0], [1.0, 1.0, 0.5], None, 0.0), torch.tensor([0.4, 0.4, 0.2]))
    with pytest.raises(ContextError, match="raise one"):
        controls.row([1.0, 0.0, 0.0], [0.0] * 3, None, 0.0)


def test_a_whole_of_many_shares_has_eight_sliders():
    controls = _shares(20)
    assert len(controls.sliders) == MOST
    row = controls.row([0.05] * 20, [1.0] * MOST, None, 0.0)
    assert row.sum().item() == pytest.approx(1)
    assert row[8].item() == pytest.approx(0.05 / 8.6)


def test_a_vector_has_a_slider_for_each_number(curves, noise):
    controls = Controls(Scene(curves))
    assert controls.kind == "numbers"
    assert [(one.label, one.low, one.high) for one in controls.sliders] == [("slope", 0, 1), ("number 2", 4, 6)]
    many = Controls(Scene(noise))
    assert len(many.sliders) == MOST
    start = [float(k) for k in range(10)]
    assert many.row(start, [0.5] * MOST, None, 0.0).tolist() == [0.5] * MOST + [8, 9]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.4905571, 0.3952449, (-0.491, 0.396)), (1234.5, 98765.4, (1200, 98800)), (1e-6, 3.14e-6, (1e-6, 3.14e-6))],
)
def test_ends_of_sliders_are_round_and_hold_all_known_contexts(low, high, expected):
    known = torch.tensor([[low, 0.0], [high, 1.0]], dtype=torch.float64)
    target = hd.Target(nn.Linear(1, 1))
    hypernet = hd.Hypernet(encoder=encoders.Vector(2), body=bodies.Linear(2, 2), head=heads.FullHead(2, target.layout))
    view = lab.View(model=hd.HyperDNN(target, hypernet).double(), contexts=known, names=["a", "b"])
    slider = Controls(Scene(view)).sliders[0]
    assert (slider.low, slider.high) == pytest.approx(expected, rel=1e-9)
    assert slider.low <= low
    assert high <= slider.high


def test_a_slider_does_not_leave_the_encoder_s_range():
    target = hd.Target(nn.Linear(1, 1))
    encoder = encoders.ScaledVector([(0.00333, 0.98765)])
    hypernet = hd.Hypernet(encoder=encoder, body=bodies.Linear(1, 2), head=heads.FullHead(2, target.layout))
    known = torch.tensor([[0.00333], [0.98765]])
    scene = Scene(lab.View(model=hd.HyperDNN(target, hypernet), contexts=known, names=["a", "b"]))
    slider = Controls(scene).sliders[0]
    for end in (slider.low, slider.high):
        scene.look(torch.tensor([end]))


def test_a_vector_is_blended_with_a_known_one(curves):
    controls = Controls(Scene(curves))
    torch.testing.assert_close(controls.row([0.0, 0.0], [0.0, 4.0], 1, 0.5), torch.tensor([0.5, 4.5]))


def test_an_empty_number_is_a_message(curves):
    with pytest.raises(ContextError, match="empty"):
        Controls(Scene(curves)).row([0.0, 0.0], [None, 1.0], None, 0.0)


@pytest.mark.parametrize("kind", ["preferences", "noise", "curves"])
def test_draws_are_contexts_that_the_encoder_takes(kind, request):
    scene = Scene(request.getfixturevalue(kind))
    controls = Controls(scene)
    drawn = controls.drawn(1)
    assert drawn.shape == scene.known.shape[1:]
    for slider, number in zip(controls.sliders, drawn.tolist(), strict=False):
        assert slider.low <= number <= slider.high  # Gradio refuses others
    scene.look(drawn)
    assert torch.equal(drawn, controls.drawn(1))
    assert not torch.equal(drawn, controls.drawn(2))


def test_a_vector_is_drawn_as_the_known_ones_are_spread(curves):
    controls = Controls(Scene(curves))
    drawn = torch.stack([controls.drawn(seed) for seed in range(300)])
    assert drawn[:, 1].eq(5).all()  # which does not differ
    assert drawn[:, 0].mean().item() == pytest.approx(0.5, abs=0.1)
    noise = torch.randn(100_000) / math.sqrt(6)
    assert drawn[:, 0].std().item() == pytest.approx((noise + 0.5).clamp(0, 1).std().item(), abs=0.05)


def test_places_are_said_in_words(tasks, preferences, noise):
    controls = Controls(Scene(tasks))
    row = controls.start
    assert controls.said(row, 0, 1, 0.0) == "task 0"
    assert controls.said(row, 0, 0, 0.5) == "task 0"
    assert controls.said(row, 0, 1, 0.3) == "30% of the way from task 0 to task 1"
    assert Controls(Scene(preferences)).said(torch.tensor([0.3, 0.7]), 0, None, 0.0) == "30.0% / 70.0%"
    assert Controls(Scene(noise)).said(torch.arange(10.0), 0, None, 0.0) == "(0, 1, 2, 3, ...)"
