from hyperdnn.lab.report import Results, voice_figures

SHOWN = {"T2L": "T2L/own", "another's": "T2L/shuffled", "own LoRA": "own/own", "nothing": "T2L/absent"}


def _with_voices(results: Results) -> Results:
    found = {"voices": ["Romeo", "Juliet"], "own_by_voice": [0.1, None], "shuffled_by_voice": [0.0, -0.1]}
    return {**results, "arrays": {"T2L": found, "other": {}}}


def test_every_way_has_a_mark_for_each_voice(results: Results) -> None:
    (figure,) = voice_figures(_with_voices(results), shown=SHOWN)
    assert figure.alt == "Gains over the base for 2 voices by T2L, another's."
    assert "Romeo" in figure.image


def test_without_voices_there_is_no_figure(results: Results) -> None:
    assert voice_figures({**results, "arrays": {}}, shown=SHOWN) == []
    assert voice_figures({**results, "arrays": {"T2L": {"voices": ["Romeo"]}}}, shown=SHOWN) == []
