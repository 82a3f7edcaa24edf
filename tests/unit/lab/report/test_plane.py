import math

import pytest

from hyperdnn.lab.report import field, lines


def test_each_line_is_drawn_through_its_numbers():
    figure = lines({"ours": [[0.01, 2.0], [0.1, None]], "plain": [[0.01, 3.0]]}, title="T", xlabel="a", ylabel="b")
    assert "b over a for ours, plain" in figure.alt
    for text in ("ours", "plain", ">a<", ">b<"):
        assert text in figure.image


def test_logarithmic_axes_have_other_places():
    draw = [{"ours": [[0.01, 1.0], [0.02, 2.0], [0.1, 3.0]]}]
    one, other = (lines(draw[0], title="T", xlabel="a", ylabel="b", log=log).image for log in (False, True))
    assert one != other
    assert ">0.01<" in other
    assert "mathdefault" not in other


def test_a_field_is_an_image_with_its_coordinates_the_lowest_row_below():
    options = {
        "title": "T",
        "xlabel": "place",
        "ylabel": "time",
        "limits": (-1.0, 1.0),
        "extent": (-1.0, 1.0, 0.0, 2.0),
    }
    figure = field([[0.0, 1.0], [math.nan, -1.0]], **options)
    assert "<image" in figure.image
    assert "from -1 to 1" in figure.alt
    assert ">place<" in figure.image
    assert figure.image != field([[math.nan, -1.0], [0.0, 1.0]], **options).image


@pytest.mark.parametrize("rows", [[], [[]]])
def test_an_empty_field_says_so(rows):
    figure = field(rows, title="T", xlabel="x", ylabel="y", limits=(0.0, 1.0), extent=(0.0, 1.0, 0.0, 1.0))
    assert "no data" in figure.image


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("points", [[], [[None, 1.0]], [[1.0, math.nan], [math.inf, 1.0]]])
def test_no_line_says_so(points, log):
    assert "no data" in lines({}, title="T", xlabel="x", ylabel="y", log=log).image
    assert "no data" in lines({"ours": points}, title="T", xlabel="x", ylabel="y", log=log).image


@pytest.mark.parametrize("point", [[0.0, 1.0], [1.0, -1.0]])
def test_what_has_no_logarithm_is_a_gap(point):
    assert "no data" in lines({"ours": [point]}, title="T", xlabel="x", ylabel="y", log=True).image
    assert "no data" not in lines({"ours": [point]}, title="T", xlabel="x", ylabel="y").image
    one, other = (
        lines({"ours": [[1.0, 1.0], gap, [2.0, 3.0]]}, title="T", xlabel="x", ylabel="y", log=True).image
        for gap in ([None, None], point)
    )
    assert one == other
