from hyperdnn.lab.report import Results, fronts, pareto_figures

FRONT = [[0.2, 1.0], [0.5, 0.5], [1.0, 0.2]]


def test_a_figure_of_all_fronts_and_one_of_each_with_its_rays(results: Results):
    rays = [[0.8, 0.2], [0.5, 0.5], [0.2, 0.8]]
    arrays = {"hypernet": {"losses": FRONT, "rays": rays}, "separate": {"losses": FRONT, "rays": rays}, "other": {}}
    figures = pareto_figures({**results, "arrays": arrays})
    assert [figure.title for figure in figures] == ["Front", "Front and rays: hypernet", "Front and rays: separate"]
    assert "6 models of hypernet, separate" in figures[0].alt
    assert str(figures[1].image).count("#888888") == str(figures[0].image).count("#888888") + 3  # a line for each ray


def test_nothing_is_drawn_without_a_front(results: Results):
    assert pareto_figures(results) == []


def test_a_ray_in_the_corner_is_a_line_along_the_axis():
    assert "<svg" in str(fronts({"a": FRONT}, rays=[[1.0, 0.0], [0.0, 1.0]], title="T").image)
    assert "no data" in str(fronts({}, title="T").image)
