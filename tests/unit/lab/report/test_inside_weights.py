import math
import re

import pytest
import torch

from hyperdnn import inspect
from hyperdnn.lab.report import agreement_figure, distance_figure, map_figure, size_figure

from .... import known

NAMES = [f"task {k + 1}" for k in range(6)]


def statistics(**options):
    return inspect.statistics(known.model(**options), known.contexts(), names=NAMES)


def words(figure):
    return re.findall(r"<text[^>]*>([^<]*)</text>", figure.image)


def marks(figure, series=1):
    """Places of the points of one series in the picture."""
    group = re.search(rf'<g id="PathCollection_{series}">(.*?)</g>\s*(?=<g id=|</g>)', figure.image, re.DOTALL).group(1)
    return [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([-\d.]+)" y="([-\d.]+)"', group)]


def test_a_tensor_that_ignores_the_context_stands_at_the_left_edge():
    figure = size_figure(statistics(adapts="2.*"))
    size, between, within = (marks(figure, k) for k in (1, 2, 3))
    left = min(x for x, _ in between)
    assert [x == pytest.approx(left) for x, _ in between] == [True, True, False, False]
    assert all(x > left + 20 for x, _ in [*size, *within])
    assert "'0.weight' and '0.bias' ignore the context" in figure.alt
    for name in ("0.weight", "0.bias", "2.weight", "2.bias", "size", "between contexts", "within a context"):
        assert name in words(figure)


def test_axes_are_labelled_in_plain_numbers():
    figure = size_figure(statistics())
    assert not any("mathdefault" in word for word in words(figure))
    assert "root mean square of the numbers (no unit)" in words(figure)


def test_a_collapsed_generator_has_no_distances_and_one_place():
    found = statistics(adapts="")
    figure = distance_figure(found.whole.distances, NAMES, title="t", unit="difference")
    assert [word for word in words(figure) if word == "0"].__len__() >= 36
    assert figure.alt == "Heat map of the distances of 6 contexts, up to 0. t."
    weights = inspect.flat_map(known.model(adapts="").generate(known.contexts())["2.weight"])
    assert len(set(marks(map_figure(weights, NAMES, title="t")))) == 1


def test_an_idle_coordinate_leaves_a_line():
    model = known.model(idle=(1,))
    rows = model.target.layout.join(model.generate(known.contexts()))
    figure = map_figure(inspect.flat_map(rows), NAMES, title="t")
    places = marks(figure)
    assert len({y for _, y in places}) == 1
    assert len({x for x, _ in places}) == 6
    assert "first principal component (100% of the variance)" in words(figure)
    assert "second principal component (0%)" in words(figure)


def test_points_lie_as_on_the_map_and_are_named():
    rows = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 1.0], [4.0, 1.0]])
    figure = map_figure(inspect.flat_map(rows), list("abcd"), title="t")
    (ax, _), (bx, _), (cx, _), (dx, _) = marks(figure)
    assert ax == pytest.approx(cx, abs=1)
    assert bx == pytest.approx(dx, abs=1)
    assert abs(ax - bx) > 100
    assert set("abcd") <= set(words(figure))


def test_names_that_would_cover_others_are_left_out_and_counted():
    names = [f"a context with a long name {k}" for k in range(60)]
    figure = map_figure(inspect.flat_map(torch.randn(60, 2)), names, title="t")
    shown = len([word for word in words(figure) if "name" in word])
    assert 0 < shown < 60
    assert f" {shown} of 60 contexts have room for their names." in figure.caption


def test_neighbour_maps_promise_no_unit():
    figure = map_figure(inspect.Map(points=torch.randn(3, 2)), list("abc"), title="t")
    assert "first coordinate of the map (no unit)" in words(figure)


def test_many_contexts_and_long_names_keep_their_room():
    names = [f"a very long name of a context, number {k}" for k in range(40)]
    figure = distance_figure(torch.rand(40, 40), names, title="t", caption="c.", unit="u")
    assert figure.caption == "c. One context in 3 is named."
    assert all(len(word) <= 16 for word in words(figure))


def test_many_tensors_are_counted():
    net = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(30)))
    import hyperdnn as hd

    figure = size_figure(inspect.statistics(hd.HyperDNN.for_tasks(net, num_tasks=3)))
    assert "The 24 strongest of 60 tensors are shown." in figure.caption


def test_pairs_lie_where_their_distances_say():
    found = inspect.network_distances(known.model(), known.probes(), known.contexts(), names=NAMES)
    figure = agreement_figure(found)
    pairs = tuple(torch.triu_indices(6, 6, 1))
    places = marks(figure)
    assert len(places) == 15
    order = sorted(range(15), key=lambda k: places[k][0])
    assert order == found.weights[pairs].argsort().tolist()
    assert sorted(range(15), key=lambda k: -places[k][1]) == found.outputs[pairs].argsort().tolist()
    assert f"Rank correlation {found.correlation:.2f}." in figure.caption


@pytest.mark.parametrize("contexts", [1, 2])
def test_few_contexts_are_drawn_too(contexts):
    model, names = known.model(), NAMES[:contexts]
    found = inspect.statistics(model, known.contexts(contexts), names=names)
    assert "within a context" in words(size_figure(found))
    distances = inspect.network_distances(model, known.probes(), known.contexts(contexts), names=names)
    assert ("no data" in words(agreement_figure(distances))) is (contexts == 1)
    assert "Rank" not in agreement_figure(distances).caption
    assert names[0] in words(map_figure(inspect.flat_map(known.contexts(contexts)), names, title="t"))


def test_what_is_not_finite_does_not_stop_a_figure():
    context = torch.cat([known.contexts(2), torch.full((1, 2), math.inf)])
    found = inspect.statistics(known.model(), context)
    assert size_figure(found).alt.endswith("for '2'.")
    assert distance_figure(found.whole.distances, found.names, title="t", unit="u").image
    assert agreement_figure(inspect.network_distances(known.model(), known.probes(), context)).image
