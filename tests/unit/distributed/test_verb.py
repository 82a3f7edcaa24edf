import torch
from torch import nn

import hyperdnn as hd
from hyperdnn.distributed import Verb


def test_a_verb_is_called_as_the_models_own():
    model = hd.HyperDNN.for_tasks(nn.Linear(4, 3), 5)
    x, context = torch.randn(6, 4), torch.tensor([0, 3, 3, 1, 0, 4])
    torch.testing.assert_close(Verb(model, hd.HyperDNN.paired)(x, context=context), model.paired(x, context=context))


def test_a_function_gets_the_model_itself():
    model = hd.HyperDNN.for_tasks(nn.Linear(4, 3), 5)
    verb = Verb(model, lambda given, number: (given, number))
    assert verb(7) == (model, 7)
    assert set(verb.parameters()) == set(model.parameters())
