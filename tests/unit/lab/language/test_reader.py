from types import SimpleNamespace

import torch
from torch import nn

from hyperdnn.lab.data import Tokens, TokenTask
from hyperdnn.lab.language import Classifiers, Reader


class Base(nn.Module):
    """Two features of a piece: its number, and one that padding must not reach."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.0)

    def forward(self, *, input_ids, attention_mask):
        outputs = torch.stack([input_ids.float(), 1 + 100.0 * (1 - attention_mask)], dim=-1)
        return SimpleNamespace(last_hidden_state=self.dropout(outputs))


TEXTS = torch.tensor([[2, 4, 0], [6, 0, 0], [9, 9, 9]], dtype=torch.int32)


def test_features_are_the_mean_over_pieces_without_padding_standardised():
    reader = Reader(Base(), TEXTS)
    means = torch.tensor([3.0, 6.0, 9.0])
    assert reader.features == 2
    assert reader.mean.tolist() == [6.0, 1.0]  # padding reaches neither
    expected = (means - 6) / (means.std(correction=0) + 1e-3)
    torch.testing.assert_close(reader(TEXTS.long()), torch.stack([expected, torch.zeros(3)], dim=-1))
    assert reader(torch.zeros(1, 3).long()).isfinite().all()
    assert reader.state_dict().keys() == {"mean", "deviation"}


def test_a_reader_has_a_copy_with_dropout_of_its_own():
    base = Base().eval()
    reader = Reader(base, TEXTS, 0.3)
    assert reader.base is not base
    assert (reader.base.dropout.p, base.dropout.p) == (0.3, 0.0)
    assert reader.base.training
    torch.testing.assert_close(reader.mean, Reader(base, TEXTS).mean)  # taken without dropout


def test_each_task_has_an_output_layer_of_its_own():
    part = Tokens(stored=torch.ones(1, 3, dtype=torch.int32), targets=torch.zeros(1))
    tasks = [TokenTask(name=str(n), train=part, validation=part, test=part, classes=n) for n in (2, 5)]
    reader = Reader(Base(), TEXTS)

    class WithContext(nn.Module):
        def forward(self, tokens, *, context):
            return reader(tokens) + context

    model = Classifiers(WithContext(), 2, tasks)
    for index, task in enumerate(tasks):
        logits = model(TEXTS.long(), context=torch.tensor(index))
        assert logits.shape == (3, task.classes)
        torch.testing.assert_close(logits, model.outputs[index](reader(TEXTS.long()) + index))
