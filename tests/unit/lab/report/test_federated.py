import xml.etree.ElementTree as ET

from hyperdnn.lab.report import Results, federated_figures


def _with_clients(results: Results, **arrays: object) -> Results:
    return {**results, "arrays": {"hypernet": dict(arrays), "FedAvg": {}}}


def _words(figure) -> set[str]:
    tags = (element for element in ET.fromstring(figure.image).iter() if element.tag.endswith(("}text", "}tspan")))
    return {(element.text or "").strip() for element in tags}


def _dots(figure) -> int:
    root = ET.fromstring(figure.image)
    groups = [element for element in root.iter() if element.get("id", "").startswith("PathCollection")]
    return sum(element.tag.endswith("}use") for group in groups for element in group.iter())


def test_each_kind_of_clients_has_its_figure(results: Results) -> None:
    names = ("client_accuracy", "client_finetuned_accuracy", "client_new_accuracy")
    figures = federated_figures(_with_clients(results, **{name: [0.8, 0.9] for name in names}))
    assert [figure.title for figure in figures] == [
        "Accuracy of each client",
        "Accuracy after local steps",
        "Accuracy of clients that came later",
    ]
    assert {"hypernet", "accuracy (%)"} <= _words(figures[0])
    assert "FedAvg" not in figures[0].alt


def test_a_client_without_a_number_has_no_dot(results: Results) -> None:
    few, more = (
        federated_figures(_with_clients(results, client_accuracy=row))[0]
        for row in ([0.5, None, float("nan")], [0.5, 0.6, 0.7])
    )
    assert _dots(more) - _dots(few) == 2
    assert "nan" not in str(few.image)


def test_where_nothing_was_measured_the_figure_says_so(results: Results) -> None:
    (figure,) = federated_figures(_with_clients(results, client_accuracy=[None, None]))
    assert "no data" in _words(figure)
    assert federated_figures(results) == []
