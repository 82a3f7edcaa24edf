import base64
import json

import numpy as np
import pytest
import torch

from hyperdnn.explore._figures import losses_figure, maps_figure, weights_figure
from hyperdnn.explore._outputs import outputs_figure
from hyperdnn.explore._picture import pictures
from hyperdnn.explore._scene import Scene
from hyperdnn.explore._style import empty


def _numbers(encoded):
    shape = [int(side) for side in encoded["shape"].split(", ")]
    return np.frombuffer(base64.b64decode(encoded["bdata"]), "<f4").reshape(shape)


def _words(figure):
    return " ".join(note["text"] for note in figure["layout"]["annotations"])


def _named(figure):
    return {trace.get("name"): trace for trace in figure["data"]}


@pytest.mark.parametrize("kind", ["tasks", "preferences", "pictures", "noise", "curves"])
def test_plotly_knows_every_word(kind, request):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    scene = Scene(request.getfixturevalue(kind))
    look, pinned = scene.look(scene.known[0]), scene.look(scene.known[1])
    for other in (None, pinned):
        figures = [maps_figure(scene, look, other), losses_figure(scene, look, other), empty("nothing")]
        figures += [weights_figure(scene, look, other, layer) for layer in scene.limits]
        figures += [outputs_figure(scene, look, other, k, 0) for k in range(max(len(scene.view.probes), 1))]
        for figure in figures:
            json.dumps(figure, allow_nan=False)
            graph_objects.Figure(data=figure["data"], layout=figure["layout"])


def test_maps_mark_this_context_and_the_pinned_one(tasks):
    scene = Scene(tasks)
    look, pinned = scene.look(scene.known[1]), scene.look(scene.known[2])
    figure = maps_figure(scene, look, pinned)
    seen = [
        (trace["name"], trace["xaxis"], trace["x"][-1]) for trace in figure["data"] if trace["name"] != "known contexts"
    ]
    where = {"x": scene.contexts_map, "x2": scene.weights_map}
    for name, panel, x in seen:
        row = {"this context": 1, "pinned": 2}[name]
        assert x == pytest.approx(where[panel].points[row, 0].item(), abs=1e-5)
    assert len(seen) == 4
    assert len({str(trace["marker"]["symbol"]) for trace in figure["data"]}) == 3  # not by colour alone


def test_a_context_of_two_numbers_is_shown_by_them(curves):
    scene = Scene(curves)
    figure = maps_figure(scene, scene.look(torch.tensor([0.25, 5.0])), None)
    assert figure["layout"]["xaxis"]["title"]["text"] == "slope"
    assert figure["layout"]["yaxis"]["title"]["text"] == "number 2"
    assert _named(figure)["this context"]["x"] is not None
    assert figure["data"][1]["x"] == [0.25]


def test_the_front_has_the_losses_of_all_known_contexts(preferences):
    scene = Scene(preferences)
    look = scene.look(torch.tensor([0.3, 0.7]))
    figure = losses_figure(scene, look, None)
    assert _named(figure)["known contexts"]["x"] == pytest.approx(scene.losses[:, 0].tolist())
    assert _named(figure)["this context"]["x"] == [look.losses[0]]
    assert _named(figure)["this context"]["y"] == [look.losses[1]]
    assert figure["layout"]["xaxis"]["title"]["text"] == "objective 0: loss"


def test_bars_compare_with_the_data_s_own_context(tasks):
    scene = Scene(tasks)
    look = scene.look(scene.known[0])
    figure = losses_figure(scene, look, scene.look(scene.known[1]))
    assert _named(figure)["this context"]["y"] == list(look.losses)
    assert _named(figure)["the data's own context"]["y"] == pytest.approx(scene.losses.diagonal().tolist())
    assert figure["layout"]["yaxis"]["title"]["text"] == "cross-entropy (nats)"


def test_weights_and_their_difference_have_a_scale_for_all_contexts(tasks):
    scene = Scene(tasks)
    look, pinned = scene.look(scene.known[0]), scene.look(scene.known[1])
    now, change = weights_figure(scene, look, pinned, "1.weight")["data"]
    weights = tasks.model.generate(tasks.contexts)["1.weight"].detach()
    np.testing.assert_allclose(_numbers(now["z"]), pictures(weights[:1])[0], atol=1e-6)
    np.testing.assert_allclose(_numbers(change["z"]), (weights[0] - weights[1]), atol=1e-6)
    assert (now["zmin"], now["zmax"]) == (-scene.limits["1.weight"][0], scene.limits["1.weight"][0])
    assert change["zmax"] == scene.limits["1.weight"][1]
    assert weights_figure(scene, pinned, None, "1.weight")["data"][0]["zmax"] == now["zmax"]


def test_a_map_of_weights_that_are_not_finite_says_so(tasks):
    with torch.no_grad():
        tasks.model.hypernet.head.linear.bias[:3] = torch.nan
    scene = Scene(tasks)
    look = scene.look(scene.known[0])
    assert "3 of 80 weights are not finite" in _words(weights_figure(scene, look, None, "1.weight"))
    assert "this context" not in _named(maps_figure(scene, look, None))
    assert "not finite" in _words(outputs_figure(scene, look, None, 0, 0))
    json.dumps(losses_figure(scene, look, None), allow_nan=False)


def test_without_data_figures_say_why_they_are_empty(noise):
    scene = Scene(noise)
    look = scene.look(scene.known[0])
    assert "no data" in _words(losses_figure(scene, look, None))
    assert "no data" in _words(outputs_figure(scene, look, None, 0, 0))
