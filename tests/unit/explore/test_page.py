import gc
import json
import math
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hyperdnn import lab
from hyperdnn.explore._page import Page
from hyperdnn.explore._scene import Scene

pytest.importorskip("gradio")
# Gradio leaves event loops to the collector; here, so that no other test is told of them
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


def _page(view: lab.View, folder: Path) -> tuple[Page, dict]:
    page = Page(Scene(view), title="here", folder=folder)
    return page, page.values


def _plot(found: dict, part) -> dict:
    return json.loads(found[part].plot)


@pytest.mark.parametrize("kind", ["tasks", "preferences", "pictures", "noise", "curves"])
def test_every_kind_of_context_has_a_page(kind, request, tmp_path):
    page, values = _page(request.getfixturevalue(kind), tmp_path)
    found = page.follow(values)
    assert set(found) == {
        *(page.here, page.trouble, page.words),
        *(page.maps, page.losses, page.weights, page.outputs),
    }
    assert found[page.trouble] == ""
    assert 'id="norm"' in found[page.words]


def test_a_blend_is_where_the_slider_says(tasks, tmp_path):
    page, values = _page(tasks, tmp_path)
    share = page.panel.inputs[-1]
    found = page.follow({**values, share: 0.25})
    row = 0.75 * page._scene.known[0] + 0.25 * page._scene.known[1]
    look = page._scene.look(row)
    assert f"{look.norm:.4g}" in found[page.words]
    assert "25% of the way from task 0 to task 1" in found[page.here]
    assert _plot(found, page.losses)["data"][0]["y"] == pytest.approx(look.losses)


def test_the_data_follow_the_picked_context(tasks, tmp_path):
    page, values = _page(tasks, tmp_path)
    assert values[page.probe] == -1
    assert "task 0, cross-entropy" in page.follow(values)[page.words]
    assert "task 1, cross-entropy" in page.follow({**values, page.panel.first: 1})[page.words]
    assert "task 2, cross-entropy" in page.follow({**values, page.probe: 2})[page.words]


def test_pinning_compares_until_it_is_taken_back(tasks, tmp_path):
    page, values = _page(tasks, tmp_path)
    pinned = page._pin(values)
    assert pinned[page.pinned] == page._scene.known[0].tolist()
    then = {**values, page.pinned: pinned[page.pinned], page.panel.first: 1}
    assert 'id="apart"' in page.follow(then)[page.words]
    assert len(_plot(page.follow(then), page.weights)["data"]) == 2
    free = page._unpin(then)
    assert free[page.pinned] is None
    assert 'id="apart"' not in free[page.words]


def test_going_to_a_known_context_moves_the_sliders(curves, tmp_path):
    random.seed(0)  # decides what is drawn, which may lie where the slider is
    page, values = _page(curves, tmp_path)
    ((_, go), (_, draw)) = page.panel.jumps
    found = page._after(go)({**values, page.panel.first: 1})
    assert [found[slider] for slider in page.panel.inputs[1:3]] == [1.0, 5.0]
    assert "(1, 5)" in found[page.here]
    drawn = page._after(draw)(values)
    assert drawn[page.panel.inputs[1]] != values[page.panel.inputs[1]]
    assert f"({drawn[page.panel.inputs[1]]:.3g}, 5)" in drawn[page.here]


def test_two_images_are_shown_that_are_blended(pictures, tmp_path):
    page, values = _page(pictures, tmp_path)
    (_, jump), _ = page.panel.jumps
    (shown,) = jump({**values, page.panel.first: 2}).values()
    assert shown.count("data:image/png;base64,") == 2
    assert 'alt="image 2"' in shown


def test_only_what_changes_is_sent(tasks, tmp_path):
    page, values = _page(tasks, tmp_path)
    assert set(page._weights_only({**values, page.layer: "1.bias"})) == {page.weights}
    assert set(page._outputs_only(values)) == {page.outputs, page.words}
    drawn = page._draw_input(values)
    assert 0 <= drawn[page.sample] < 6


def test_errors_are_words_on_the_page(curves, tmp_path):
    page, values = _page(curves, tmp_path)
    found = page.follow({**values, page.panel.inputs[1]: None})
    assert 'role="alert"' in found[page.trouble]
    assert "is empty" in found[page.trouble]
    assert _plot(found, page.maps)["layout"]["annotations"][0]["text"] == "see the message"
    assert set(page._pin({**values, page.panel.inputs[1]: None})) == {page.trouble}
    assert page._weights_only({**values, page.panel.inputs[1]: None}) == {}


def test_a_broken_generator_is_words_on_the_page(tasks, tmp_path):
    with torch.no_grad():
        tasks.model.hypernet.head.linear.bias[0] = math.nan
    page, values = _page(tasks, tmp_path)
    assert "1 of 85 generated weights are not finite" in page.follow(values)[page.trouble]


def test_what_is_exported_is_what_is_seen(tasks, tmp_path):
    page, values = _page(tasks, tmp_path)
    share = page.panel.inputs[-1]
    assert page.files in page._export({**values, share: 0.5})
    files = {path.name: path for path in tmp_path.glob("*/*")}
    assert set(files) == {"weights.safetensors", "figures.html", "figures.json"}
    row = page._scene.known[:2].mean(0)
    weights = tasks.model.hypernet.from_features(row)
    for name, tensor in load_file(files["weights.safetensors"]).items():
        torch.testing.assert_close(tensor, weights[name].detach())
    written = json.loads(files["figures.json"].read_text())
    assert written["coordinates"] == pytest.approx(row.tolist())
    assert set(written["figures"]) == {"maps", "losses", "weights", "outputs"}
    html = files["figures.html"].read_text()
    assert "50% of the way from task 0 to task 1" in html
    assert 'src="http' not in html  # it reads without a network
