import torch

from hyperdnn.lab.baselines import DistMult


def test_scores_are_products_of_three_embeddings() -> None:
    model = DistMult(5, 4, 3, dropouts=(0.2, 0.3)).eval()
    with torch.no_grad():
        model.bias.normal_()
        for norm in (model.of_entity[0], model.of_product[0]):
            norm.running_var += torch.rand(3)
            norm.running_mean += torch.rand(3)
    entities, relations = torch.tensor([0, 4]), torch.tensor([3, 0])
    found = model(entities, context=relations)
    for i, (e, r) in enumerate(zip(entities.tolist(), relations.tolist(), strict=True)):
        entity = model.of_entity[0](model.entities.weight[e : e + 1])[0]
        product = model.of_product[0]((entity * model.relations.weight[r])[None])[0]
        for o in range(5):
            expected = sum(product[k] * model.entities.weight[o, k] for k in range(3)) + model.bias[o]
            torch.testing.assert_close(found[i, o], expected)


def test_every_embedding_is_trained_the_first_too() -> None:
    model = DistMult(3, 2, 4, dropouts=(0.0, 0.0))
    model(torch.tensor([0, 1]), context=torch.tensor([0, 0]))[:, 2].square().sum().backward()
    assert model.entities.weight.grad[0].any()
    assert model.relations.weight.grad[0].any()
    assert not model.relations.weight.grad[1].any()


def test_directions_differ_by_reciprocal_relations_alone() -> None:
    torch.manual_seed(0)
    model = DistMult(4, 2, 3, dropouts=(0.0, 0.0)).eval()
    one = model(torch.tensor([0]), context=torch.tensor([0]))[0, 1]
    other = model(torch.tensor([1]), context=torch.tensor([0]))[0, 0]
    torch.testing.assert_close(one, other)  # symmetric
    assert not torch.isclose(one, model(torch.tensor([1]), context=torch.tensor([1]))[0, 0])


def test_with_answers_of_their_own_it_is_not_symmetric() -> None:
    torch.manual_seed(0)
    model = DistMult(4, 2, 3, dropouts=(0.0, 0.0), symmetric=False).eval()
    relation = torch.tensor([0])
    one, other = (model(torch.tensor([e]), context=relation)[0] for e in (0, 1))
    product = model.of_entity(model.entities.weight[:1]) * model.relations.weight[0]
    torch.testing.assert_close(one, (model.of_product(product) @ model.answers.weight.T)[0])
    assert not torch.isclose(one[1], other[0])
