import copy
import pickle

import torch

from hyperdnn.lab.baselines import PartialVAE


def _model():
    return PartialVAE(5, embedding=3, hidden=8, latent=2)


def test_the_encoder_is_the_sum_over_known_columns():
    model = _model().double()
    torch.nn.init.normal_(model.biases)
    values = torch.randn(4, 5).double()
    known = torch.rand(4, 5) < 0.5
    weight_value, weight_rest = model.of_value.weight, model.of_column
    for row in range(4):
        total = torch.zeros(8).double()
        for column in known[row].nonzero().flatten():
            e, b = model.embeddings[column], model.biases[column]
            total += (weight_value @ (e * values[row, column]) + weight_rest(torch.cat([e, b]))).relu()
        mean, log_variance = model.moments(total / 5**0.5).split(2)
        found = model.encode(values, known)
        torch.testing.assert_close(found[0][row], mean)
        torch.testing.assert_close(found[1][row], log_variance)


def test_what_stands_in_unknown_cells_does_not_matter():
    model, values = _model(), torch.randn(4, 5)
    known = torch.rand(4, 5) < 0.5
    other = torch.where(known, values, 1e6)
    for one, two in zip(model.encode(values, known), model.encode(other, known), strict=True):
        assert one.equal(two)
    nothing = model.encode(values, torch.zeros_like(known))
    assert all(moment.isfinite().all() for moment in nothing)


def test_it_is_copied_and_pickled():
    model = _model()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        x = torch.randn(3, 2)
        assert again.rows(again.decode(x)).equal(model.rows(model.decode(x)))
