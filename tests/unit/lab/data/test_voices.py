import pytest
import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data import VoiceShape, VoiceTexts

SHAPE = VoiceShape(characters=4, passages=3, drawn=2, features=5)


def texts(lengths: tuple[int, ...] = (9, 5, 14), shape: VoiceShape = SHAPE) -> VoiceTexts:
    """Voice k says 100 k, 100 k + 1, ...; its descriptions are 10 k and 10 k + 1 everywhere."""
    numbers = torch.arange(len(lengths))
    stored = [100 * k + torch.arange(length) for k, length in enumerate(lengths)]
    described = (10.0 * numbers[:, None] + torch.arange(2)).unsqueeze(-1).expand(-1, -1, 5)
    return VoiceTexts(
        voices=numbers + 7,
        descriptions=described,
        stored=torch.cat(stored).int() if stored else torch.zeros(0).int(),
        lengths=torch.tensor(lengths, dtype=torch.long),
        shape=shape,
    )


def test_a_batch_is_passages_of_different_voices():
    generator = torch.Generator().manual_seed(0)
    begun = {0: set(), 1: set(), 2: set()}
    for _ in range(60):
        batch = texts().sample(2, generator=generator)
        assert len(batch) == 2
        assert batch.inputs.shape == batch.targets.shape == (2, 3, 4)
        who = batch.voices - 7
        assert len(set(who.tolist())) == 2
        assert (batch.inputs // 100).eq(who[:, None, None]).all()
        assert batch.targets.equal(batch.inputs + 1)
        assert (batch.targets[..., 1:] == batch.targets[..., :-1] + 1).all()
        assert set((batch.context[:, 0] - 10 * who).tolist()) <= {0.0, 1.0}
        for k, passages in zip(who.tolist(), batch.inputs, strict=True):
            begun[k] |= {int(p) % 100 for p in passages[:, 0]}
    assert begun == {0: set(range(5)), 1: {0}, 2: set(range(10))}  # from anywhere, as long as there is one more behind


def test_both_descriptions_come():
    generator = torch.Generator().manual_seed(0)
    seen = [texts().sample(1, generator=generator).context[0, 0].item() % 10 for _ in range(40)]
    assert set(seen) == {0.0, 1.0}


def test_the_generator_decides():
    one, same = (texts().sample(3, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    assert one.inputs.equal(same.inputs)
    assert one.context.equal(same.context)


def test_all_voices_side_by_side_have_as_many_passages_as_the_shortest():
    batch = texts((9, 13, 14)).side_by_side()
    assert batch.voices.tolist() == [7, 8, 9]
    assert batch.inputs.tolist() == [[[100 * k + p + i for i in range(4)] for p in (0, 4)] for k in range(3)]
    assert batch.targets.equal(batch.inputs + 1)
    assert batch.context[:, 0].tolist() == [0, 10, 20]


def test_passages_can_be_said_to_be_of_others():
    batch = texts().side_by_side()
    other = batch.as_others(1)
    assert other.voices.tolist() == [9, 7, 8]
    assert other.context[:, 0].tolist() == [20, 0, 10]
    assert other.inputs.equal(batch.inputs)


def test_texts_move():
    moved = texts().to("cpu")
    assert moved.side_by_side().inputs.equal(texts().side_by_side().inputs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: texts((9, 4)),
            "a text of 4 characters has no passage of 4 with one more behind it. Make passages short",
        ),
        (lambda: texts(()), "voices: expected at least one"),
        (lambda: texts().sample(4, generator=torch.Generator()), "batch_size: 4 voices in a batch.* only 3"),
        (lambda: VoiceShape(drawn=0), "drawn: expected 1 or more, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
