import pytest

from hyperdnn import lab
from hyperdnn.lab._discover import configuration
from hyperdnn.lab.federated import client_app

RECIPE = "federated/pfedhn"


@pytest.mark.parametrize("variant", ["pFedHN", "pFedHN-PC", "FedAvg"])
def test_newcomers_and_local_steps_come_to_the_same_numbers_elsewhere(grid, serve, tmp_path, variant):
    config = configuration(RECIPE, "tiny")
    grid = type(grid)(client_app(RECIPE), range(config.clients))
    found = []

    def run(folder, clients=None):
        found.append(lab.run(RECIPE, config, folder=folder, seeds=[0], variants=[variant], clients=clients))

    run(tmp_path / "here")
    serve(grid, lambda clients: run(tmp_path / "there", clients), patience=0.0, timeout=5.0)
    here, there = found
    assert here["metrics"] == there["metrics"]
    assert here["arrays"] == there["arrays"]
    assert "finetuned_accuracy" in there["metrics"][variant]
    assert ("new_accuracy" in there["metrics"][variant]) == (variant == "pFedHN")
