import math

from hyperdnn.lab.report import agreement


def test_each_variant_and_the_diagonal_are_drawn():
    figure = agreement({"ours": [1.0, 2.5], "plain": [0.5, None]}, [1.0, 2.0], title="Effects", quantity="effect")
    assert "ours, plain" in figure.alt
    for text in ("ours", "plain", "true effect", "estimated effect"):
        assert text in figure.image


def test_nothing_to_show_is_said():
    assert "no data" in agreement({}, [], title="Effects", quantity="effect").image
    assert "no data" in agreement({"ours": [math.nan]}, [math.nan], title="Effects", quantity="effect").image
