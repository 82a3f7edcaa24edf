import json
import math

import pytest
import torch
from torch import nn

import hyperdnn as hd
from hyperdnn import bodies, encoders, heads, inspect, lab
from hyperdnn.lab._inside import inside
from hyperdnn.lab._inside_report import sections

from ... import known


def titles(found):
    return {section.title: [figure.title for figure in section.figures] for section in sections(found)}


def test_everything_is_measured_and_drawn():
    found = inside(known.view(known.model()))
    assert found.notes == ()
    assert found.troubles == ()
    assert len(found.paragraphs) == 3
    shown = titles(found)
    assert list(shown) == ["Generated weights", "What the networks do", "What the context does"]
    assert [len(figures) for figures in shown.values()] == [3, 3, 3]
    json.dumps(found.to_json(), allow_nan=False)


def test_a_hypernet_that_ignores_its_context_is_seen_through():
    found = inside(known.view(known.model(adapts="")))
    assert found.troubles == ("The generator has collapsed: all 6 contexts get the same weights.",)
    said = " ".join(found.paragraphs)
    assert "All 6 networks do the same on these inputs." in said
    assert "the context is ignored" in said
    assert "there is nothing between them" in said
    assert sections(found)


def test_an_idle_coordinate_and_a_single_adapting_layer_are_named():
    idle = " ".join(inside(known.view(known.model(idle=(1,)))).paragraphs)
    assert "'right'" in idle
    single = inside(known.view(known.model(adapts="2.*")))
    assert "'0.weight' and '0.bias' ignore the context" in single.troubles[0]
    assert "'2' alone carries the whole difference" in " ".join(single.paragraphs)


def test_without_data_the_page_says_what_is_missing():
    found = inside(known.view(known.model(), data=False))
    assert found.distances is None
    assert found.swap is None
    assert found.sensitivity is not None
    assert found.notes == ("What the networks do is left out: the recipe gives no data to run them on (view=).",)
    assert list(titles(found)) == ["Generated weights", "What the context does", "Not shown"]


def test_what_cannot_be_measured_is_left_out_with_the_reason():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    model = hd.HyperDNN.for_tasks(net, num_tasks=3, buffers="per_context")
    view = lab.View(model=model, contexts=torch.arange(3), names=list("abc"), probes=known.probes())
    found = inside(view)
    assert found.distances is None
    (note,) = found.notes
    assert note.startswith("What the networks do is left out: each one has running statistics of its own")
    assert found.sensitivity is not None
    assert found.sensitivity.probes == ()
    assert "Generated weights" in titles(found)


def test_contexts_without_coordinates_have_no_places():
    class Lookup(nn.Module):
        def __init__(self, layout):
            super().__init__()
            self.layout = layout
            self.rows = nn.Parameter(torch.randn(3, layout.numel))

        def forward(self, context):
            return self.layout.split(self.rows[context])

    target = hd.Target(nn.Linear(4, 3))
    view = lab.View(
        model=hd.HyperDNN(target, Lookup(target.layout)),
        contexts=torch.arange(3),
        names=list("abc"),
        probes=known.probes(),
        shows="classes",
    )
    found = inside(view)
    assert found.context_map is found.sensitivity is found.path is None
    assert found.distances is not None
    assert len(found.notes) == 1
    assert "The map of contexts is left out: Lookup has no encoder" in found.notes[0]


def test_one_context_is_looked_at_alone():
    found = inside(known.view(known.model(), 1))
    assert found.distances is found.path is found.swap is None
    assert "what contexts differ by cannot be said" in found.paragraphs[0]
    assert titles(found)["Generated weights"] == ["Size and spread of generated weights", "Map of generated weights"]


def test_of_many_contexts_some_are_looked_at():
    found = inside(known.view(known.model(), 150, data=False))
    assert found.contexts == 64
    assert found.statistics.names[0] == "task 1"
    assert found.statistics.names[-1] == "task 150"
    assert found.notes[0] == "64 of 150 contexts were looked at, evenly chosen."


def test_the_pair_that_is_farthest_apart_is_swapped():
    found = inside(known.view(known.model()))
    apart = found.statistics.whole.distances
    first, second = (found.statistics.names.index(name) for name in found.swap.names)
    assert float(apart[first, second]) == float(apart.max())
    assert found.path.names == found.swap.names


def test_probes_of_the_pair_are_preferred():
    made = known.view(known.model())
    probes = [inspect.Probe(name=f"of {k}", inputs=torch.randn(5, 4), context=k) for k in range(6)]
    view = lab.View(model=made.model, contexts=made.contexts, names=made.names, probes=probes)
    found = inside(view)
    assert found.path.probes == tuple(f"of {made.names.index(name)}" for name in found.path.names)
    assert len(found.distances.probes) == 6


def test_features_are_not_named_as_the_contexts_coordinates():
    target = hd.Target(nn.Linear(4, 3))
    hypernet = hd.Hypernet(encoder=encoders.Table(3, 5), body=bodies.MLP(5, 6), head=heads.FullHead(6, target.layout))
    view = lab.View(model=hd.HyperDNN(target, hypernet), contexts=torch.arange(3), names=list("abc"), coordinates=["x"])
    assert inside(view).sensitivity.coordinates == ("1", "2", "3", "4", "5")


def test_weights_that_are_not_finite_end_in_words():
    made = known.view(known.model())
    with torch.no_grad():
        made.model.hypernet.start[0] = math.nan
    found = inside(made)
    assert "not finite" in found.troubles[0]
    assert sections(found)
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("draw", [inspect.flat_map, inspect.neighbour_map])
def test_maps_are_drawn_as_asked(draw):
    found = inside(known.view(known.model()), draw=draw)
    (shown,) = (f for s in sections(found) for f in s.figures if f.title == "Map of contexts")
    assert ("t-SNE" in shown.caption) is (draw is inspect.neighbour_map)


def test_contexts_of_several_tensors_are_told_apart():
    target = hd.Target(nn.Linear(2, 3))
    encoder = encoders.Join(encoders.Table(5, 3), encoders.Vector(1))
    hypernet = hd.Hypernet(encoder=encoder, body=bodies.MLP(4, 6), head=heads.FullHead(6, target.layout))
    contexts = (torch.arange(5), torch.randn(5, 1))
    view = lab.View(model=hd.HyperDNN(target, hypernet), contexts=contexts, names=list("abcde"))
    one, some = view.rows(3), view.rows([0, 3])
    assert torch.equal(one[0], contexts[0][3])
    assert torch.equal(some[1], contexts[1][[0, 3]])
    found = inside(view)
    assert found.contexts == 5
    assert found.path is not None
