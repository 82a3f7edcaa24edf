import base64
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import encoders, heads, inspect, lab
from hyperdnn.explore._outputs import outputs_figure
from hyperdnn.explore._scene import Scene


def _numbers(encoded):
    shape = [int(side) for side in encoded["shape"].split(", ")]
    return np.frombuffer(base64.b64decode(encoded["bdata"]), "<f4").reshape(shape)


def _named(figure):
    return {trace.get("name"): trace for trace in figure["data"]}


def test_classes_are_bars_with_the_true_one_marked(tasks):
    scene = Scene(tasks)
    look, pinned = scene.look(scene.known[0]), scene.look(scene.known[1])
    figure = outputs_figure(scene, look, pinned, 1, 4)
    probe, named = tasks.probes[1], _named(figure)
    for name, context in (("this context", 0), ("pinned", 1)):
        scores = tasks.model(probe.inputs, context=torch.tensor(context)).softmax(-1)[4]
        assert named[name]["y"] == pytest.approx(scores.tolist(), rel=1e-5)
    assert named["true class"]["x"] == [int(probe.targets[4])]
    np.testing.assert_allclose(_numbers(figure["data"][0]["z"]).shape, (4, 4))  # the input, a picture


def test_each_output_of_several_has_its_classes(tasks):
    scene = Scene(tasks)
    look = scene.look(scene.known[0])
    outputs = torch.randn(6, 2, 5)
    probe = replace(tasks.probes[0], targets=torch.randint(5, (6, 2)))
    scene.view.probes[0] = probe
    figure = outputs_figure(scene, replace(look, outputs=(outputs, *look.outputs[1:])), None, 0, 3)
    bars = [trace for trace in figure["data"] if trace["type"] == "bar"]
    assert [bar["y"] for bar in bars] == [pytest.approx(one.tolist()) for one in outputs[3].softmax(-1)]
    marks = [trace["x"] for trace in figure["data"] if trace.get("name") == "true class"]
    assert marks == [[int(one)] for one in probe.targets[3]]


def test_a_picture_stands_beside_the_given_one(pictures):
    scene = Scene(pictures)
    look, pinned = scene.look(scene.known[0]), scene.look(scene.known[1])
    made, given, other, change = outputs_figure(scene, look, pinned, 1, 0)["data"]
    np.testing.assert_allclose(_numbers(made["z"]), look.outputs[1].reshape(4, 4))
    np.testing.assert_allclose(_numbers(given["z"]), pictures.contexts[1, 0])
    np.testing.assert_allclose(_numbers(change["z"]), (look.outputs[1] - pinned.outputs[1]).reshape(4, 4), atol=1e-7)
    assert (change["zmin"], change["zmax"], made["zmin"], other["zmax"]) == (-1, 1, 0, 1)


def test_a_picture_of_another_size_has_no_given_one(pictures):
    scene = Scene(pictures)
    (made,) = outputs_figure(scene, scene.look(scene.known[0]), None, 3, 0)["data"]
    assert _numbers(made["z"]).shape == (2, 2)


def test_colours_stay_colours(pictures):
    scene = Scene(pictures)
    look = scene.look(scene.known[0])
    colours = torch.rand(4, 3)
    made = outputs_figure(scene, replace(look, outputs=(*look.outputs[:3], colours)), None, 3, 0)["data"][0]
    assert made["z"] == (255 * colours).round().int().reshape(2, 2, 3).tolist()


def test_functions_of_one_number_are_curves(curves):
    scene = Scene(curves)
    look = scene.look(scene.known[0])
    named = _named(outputs_figure(scene, look, scene.look(scene.known[1]), 0, 0))
    assert named["this context"]["y"] == pytest.approx(look.outputs[0].flatten().tolist())
    assert named["given"]["y"] == [-2, -1, 0, 1, 2]
    assert named["pinned"]["line"]["dash"] == "dash"  # not by colour alone


def test_other_numbers_are_bars(preferences):
    scene = Scene(preferences)
    look = scene.look(scene.known[0])
    named = _named(outputs_figure(scene, look, None, 0, 2))
    assert named["this context"]["y"] == pytest.approx(look.outputs[0][2].tolist())
    assert named["given"]["y"] == pytest.approx(preferences.probes[0].targets[2].tolist())


def test_an_input_beyond_the_last_is_the_last(preferences):
    scene = Scene(preferences)
    look = scene.look(scene.known[0])
    assert outputs_figure(scene, look, None, 0, 99) == outputs_figure(scene, look, None, 0, 5)


def test_of_many_numbers_in_a_container_the_first_are_shown(curves):
    class Container(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 300)

        def forward(self, input):
            return {"scores": self.linear(input), "length": torch.tensor(300)}

    target = hd.Target(Container())
    hypernet = hd.Hypernet(encoder=encoders.Vector(2), body=nn.Identity(), head=heads.FullHead(2, target.layout))
    probe = inspect.Probe(name="data", inputs=torch.ones(4, 2))
    view = lab.View(model=hd.HyperDNN(target, hypernet), contexts=curves.contexts, names=curves.names, probes=[probe])
    scene = Scene(view)
    look = scene.look(scene.known[0])
    assert look.trouble == ""
    assert look.outputs[0].shape == (4, 300)
    shown = _named(outputs_figure(scene, look, None, 0, 1))["this context"]["y"]
    assert shown == pytest.approx(look.outputs[0][1, :100].tolist())
