from pathlib import Path

import pytest
import torch
from flwr.app import RecordDict

from hyperdnn.errors import ConfigError, LayoutError
from hyperdnn.lab.federated import client_app
from hyperdnn.lab.federated._site import site, text_of
from hyperdnn.lab.federated._wire import pack

RECIPE = str(Path(__file__).parents[3] / "reliability" / "clients.py")


@pytest.fixture
def ask(grid, config, about, message):
    text = text_of(config)
    weights = {name: torch.randn(like.shape) for name, like in site(RECIPE, "hypernet", text).like.items()}

    def ask(kind="train", change=weights, **values):
        content = RecordDict({"weights": pack({**weights, **change}), "about": about(config=text, **values)})
        return grid.app(message(kind, content), grid.contexts[900])

    return ask


def test_a_node_says_who_it_is(grid, message):
    answers = {node: grid.app(message("query", node=node), context) for node, context in grid.contexts.items()}
    assert {node: answer.content["client"]["client"] for node, answer in answers.items()} == {
        900 - client: client for client in range(5)
    }


@pytest.mark.parametrize("number", [None, "0", 0.0])
def test_a_node_that_is_nobody_says_how_to_start_it(grid, message, number):
    context = grid.contexts[900]
    context.node_config.pop("partition-id")
    if number is not None:
        context.node_config["partition-id"] = number
    with pytest.raises(ConfigError, match=rf"partition-id is {number!r}.*flower-supernode --node-config"):
        grid.app(message("query"), context)


def test_what_stays_with_a_client_is_kept_for_each_training_apart(grid, ask):
    state = grid.contexts[900].state
    ask()
    (first,) = state
    kept = state[first]
    ask()
    assert list(state) == [first]
    assert state[first]["module.5.weight"].data != kept["module.5.weight"].data
    ask("evaluate")
    assert list(state) == [first]
    assert not grid.contexts[899].state


def test_a_client_refuses_what_is_not_for_it(ask):
    with pytest.raises(ConfigError, match="this node is client 0, but was asked as client 3"):
        ask(client=3)
    with pytest.raises(ConfigError, match=r"no variant 'hypernets'. Did you mean 'hypernet'"):
        ask(variant="hypernets")
    with pytest.raises(LayoutError, match=r"'1.bias': expected"):
        ask(change={"1.bias": torch.zeros(99)})


def test_the_server_names_no_code(about, config, message, grid, tmp_path):
    other = tmp_path / "other.py"
    other.write_text("raise SystemExit('the server had code run')")
    content = RecordDict({"weights": pack({}), "about": about(config=text_of(config), variant=str(other))})
    with pytest.raises(ConfigError, match="has no variant"):
        client_app(RECIPE)(message("train", content), grid.contexts[900])


def test_threads_and_random_numbers_of_the_process_are_left_alone(ask):
    torch.set_num_threads(2)
    try:
        torch.manual_seed(4)
        expected = torch.rand(3)
        torch.manual_seed(4)
        site.cache_clear()
        ask()
        assert torch.rand(3).equal(expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
