import shutil

import pytest
import torch

import hyperdnn as hd
from hyperdnn import lab
from hyperdnn.errors import CheckpointError, ConfigError
from hyperdnn.lab._discover import configuration, load

NAME = "continual/task_conditioned"


def test_the_model_is_as_training_left_it(task_run):
    found = lab.trained(task_run)
    results = lab.report.read_json(task_run / "results.json")
    by_task = [found.recipe.evaluate(found.model, task)["accuracy"] for task in found.recipe.data(found.config)]
    assert (found.name, found.variant, found.finished) == (NAME, "hypernet", True)
    assert by_task == pytest.approx(results["arrays"]["hypernet"]["accuracy_matrix"][-1])
    assert not found.model.training


def test_the_global_generator_decides_nothing(task_run):
    torch.manual_seed(1)
    first = lab.trained(task_run).model.state_dict()
    torch.manual_seed(2)
    assert all(torch.equal(value, first[name]) for name, value in lab.trained(task_run).model.state_dict().items())


def test_the_global_generator_is_left_as_it_was(task_run):
    expected = torch.manual_seed(1).get_state()
    lab.trained(task_run)
    assert torch.equal(torch.get_rng_state(), expected)


def test_a_baseline_can_be_asked_for(task_run):
    found = lab.trained(task_run, variant="fine-tuning", seed=0)
    assert found.variant == "fine-tuning"
    with pytest.raises(ConfigError, match=r"'fine-tuning' is a Plain without a HyperDNN in it. Variants: hypernet"):
        found.view()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"variant": "hypernett"}, "no variant 'hypernett'. Did you mean 'hypernet'"),
        ({"variant": "beta 0"}, "It has hypernet, fine-tuning"),  # the recipe's, but not of this run
        ({"seed": 7}, "holds no seed 7: it has 0"),
    ],
)
def test_what_the_run_does_not_hold_is_refused(task_run, asked, words):
    with pytest.raises(ConfigError, match=words):
        lab.trained(task_run, **asked)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no run"):
        lab.trained(tmp_path)


def test_a_run_without_a_checkpoint_is_refused(task_run, tmp_path):
    shutil.copytree(task_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(CheckpointError, match="was not trained so far"):
        lab.trained(tmp_path / "run")


def test_a_model_that_is_built_otherwise_now_is_refused(task_run, tmp_path):
    shutil.copytree(task_run, tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("task_features: ", "task_features: 1"))
    with pytest.raises(CheckpointError, match="does not fit the model that continual/task_conditioned builds: '"):
        lab.trained(tmp_path / "run")


def test_a_view_without_the_recipes_help_has_the_encoders_contexts():
    model = load(NAME).build(configuration(NAME, "tiny"))
    view = lab.View.of(model)
    assert view.contexts.tolist() == [0, 1]
    assert list(view.names) == ["0", "1"]


def _model():
    return hd.HyperDNN.for_tasks(torch.nn.Linear(3, 2), num_tasks=2)


def test_names_and_probes_must_fit_the_contexts():
    with pytest.raises(ConfigError, match="one name for each of 2 contexts, got 1"):
        lab.View(model=_model(), contexts=torch.arange(2), names=["a"])
    probe = hd.inspect.Probe(name="p", inputs=torch.ones(1, 3), context=2)
    with pytest.raises(ConfigError, match="'p' belongs to context 2 of 2"):
        lab.View(model=_model(), contexts=torch.arange(2), names=["a", "b"], probes=[probe])


def test_an_encoder_that_tells_no_contexts_needs_the_recipes_help():
    target = hd.Target(torch.nn.Linear(3, 2))
    encoder = hd.encoders.FromModule(torch.nn.Linear(4, 5), features=5)
    hypernet = hd.Hypernet(encoder=encoder, body=hd.bodies.MLP(5, 6), head=hd.heads.FullHead(6, target.layout))
    with pytest.raises(ConfigError, match=r"FromModule does not tell what its contexts are.*view="):
        lab.View.of(hd.HyperDNN(target, hypernet))
