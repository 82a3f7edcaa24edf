import math
import re
from dataclasses import replace

from hyperdnn.explore._scene import Scene
from hyperdnn.explore._words import message, numbers_table


def _cells(html: str, row: str) -> list[str]:
    found = re.search(rf'<tr id="{row}">(.*?)</tr>', html)
    assert found
    return re.findall("<td>(.*?)</td>", found[1])


def test_numbers_are_those_that_were_measured(tasks):
    scene = Scene(tasks)
    look, pinned = scene.look(scene.known[0]), scene.look(scene.known[2])
    html = numbers_table(scene, look, pinned, 1)
    assert _cells(html, "norm") == [f"{look.norm:.4g}", f"{pinned.norm:.4g}", ""]
    change = look.losses[1] - pinned.losses[1]
    assert _cells(html, "loss") == [f"{look.losses[1]:.4g}", f"{pinned.losses[1]:.4g}", f"{change:+.4g}"]
    squares = [(look.weights[n] - pinned.weights[n]).square().sum().item() for n in look.weights]
    assert _cells(html, "apart")[2] == f"{math.sqrt(sum(squares) / 85):.4g}"
    apart = (look.outputs[1] - pinned.outputs[1]).double().square().mean().sqrt().item()
    assert _cells(html, "outputs")[2] == f"{apart:.4g}"


def test_names_are_text(tasks):
    scene = Scene(tasks)
    html = numbers_table(scene, scene.look(scene.known[2]), None, None)
    assert _cells(html, "nearest") == ["task &lt;2&gt;, at 0"]
    assert "pinned" not in html
    assert 'id="apart"' not in html


def test_what_is_wrong_is_said(tasks):
    look = Scene(tasks).look(Scene(tasks).known[0])
    assert message(look) == ""
    assert "2 of 85 generated weights are not finite" in message(replace(look, broken=2))
    assert "could not be run on the data: no" in message(replace(look, trouble="no"))
