from dataclasses import fields

from hyperdnn.planning import Needs
from hyperdnn.planning._needs import QUESTIONS


def test_everything_is_open_at_first():
    assert Needs().open == tuple(QUESTIONS) == tuple(field.name for field in fields(Needs))


def test_an_answer_closes_its_question_and_leaves_the_others():
    needs = Needs(related=True).answered("uncertainty", yes=False)
    assert needs == Needs(related=True, uncertainty=False)
    assert needs.open == ("data_adaptive", "dynamic_architecture", "parameter_efficiency")


def test_as_json():
    assert Needs(related=False).to_json() == {**dict.fromkeys(QUESTIONS), "related": False}
