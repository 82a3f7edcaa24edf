from hyperdnn.lab.report import Results, gallery, kernel_figures, resolution_figures, summarise

SMALL = [[0, 255], [128, 64]]
LARGE = [[0, 100, 255]] * 3


def test_one_figure_for_each_factor_with_what_was_given_first_and_the_originals_last(results: Results):
    arrays = {
        "hypernet": {"given": [SMALL], "enlarged_2": [LARGE], "enlarged_4": [LARGE], "original": [LARGE]},
        "bicubic": {"given": [SMALL], "enlarged_2": [LARGE], "original": [LARGE]},
        "other": {},
    }
    figures = resolution_figures({**results, "arrays": arrays})
    assert [figure.title for figure in figures] == ["Images enlarged by 2", "Images enlarged by 4"]
    assert "1 rows of pictures: given, hypernet, bicubic, original." in figures[0].alt
    assert "1 rows of pictures: given, hypernet, original." in figures[1].alt


def test_pictures_of_several_resolutions_stand_in_one_grid():
    figure = gallery({"a": [SMALL, LARGE], "b": [LARGE]}, title="T", caption="C")
    assert str(figure.image) != str(gallery({"a": [SMALL, SMALL], "b": [LARGE]}, title="T", caption="C").image)
    assert "2 rows of pictures: a, b. T." in figure.alt


def test_nothing_to_show(results: Results):
    assert "no data" in str(gallery({}, title="T").image)
    assert resolution_figures(results) == []
    assert kernel_figures(results) == []


def test_errors_with_their_spread_and_kernels_by_channel(results: Results):
    kernels = [[[[-1.0, 1.0]], [[0.0, 0.0]], [[0.5, 0.5]]]]
    metrics = {"hypernet": {"error": summarise([0.01, 0.02])}, "plain": {"error": summarise([0.01])}, "other": {}}
    figures = kernel_figures({**results, "metrics": metrics, "arrays": {"plain": {"kernels": kernels}, "other": {}}})
    assert [figure.title for figure in figures] == ["Error", "Kernels: plain"]
    assert "hypernet, plain" in figures[0].alt
    assert "1 rows of pictures: 1, 2, 3." in figures[1].alt


def test_kernels_that_are_all_alike(results: Results):
    (figure,) = kernel_figures({**results, "metrics": {}, "arrays": {"plain": {"kernels": [[[[2.0, 2.0]]]]}}})
    assert "<image" in str(figure.image)
