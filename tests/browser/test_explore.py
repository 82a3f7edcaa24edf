"""The explorer in a real browser: controls are moved, numbers are read and compared with the model's own."""

import gc
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hyperdnn import explore, lab
from hyperdnn.cli import main
from hyperdnn.lab._discover import configuration, load

pytest.importorskip("gradio")
# its server leaves event loops to the collector, and asks for parts of websockets that are going
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"
)

PATIENCE = 60_000  # ms; a busy machine is slow to start a page
MOVE = """(slider, value) => {
    slider.value = value;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
}"""


def view(name: str) -> lab.View:
    torch.manual_seed(0)
    recipe, config = load(name), configuration(name, "tiny")
    model = recipe.build(config)
    assert recipe.view is not None
    made: lab.View = recipe.view(model, recipe.data(config))
    return made


def move(page: Any, control: str, value: float) -> None:
    page.locator(f"#{control} input[type=range]").evaluate(f"(slider) => ({MOVE})(slider, {value})")


def pick(page: Any, control: str, option: str) -> None:
    page.locator(f"#{control} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def cells(page: Any, row: str) -> list[str]:
    found: list[str] = page.locator(f"#{row} td").all_inner_texts()
    return found


def wait_for(page: Any, words: str) -> None:
    page.wait_for_function("words => document.querySelector('#here').textContent.includes(words)", arg=words)


def plotted(page: Any, figure: str) -> dict[str, Any]:
    """The traces of a figure as they are drawn, by name."""
    drawn = page.locator(f"#{figure} .js-plotly-plot").evaluate(
        "plot => plot.data.map(({name, x, y}) => ({name, x: [...(x || [])], y: [...(y || [])]}))"
    )
    return {trace["name"]: trace for trace in drawn}


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Opens the page of a view, and sees to it that nothing was loaded from outside when it is closed."""
    contexts, requested, failed = [], [], []

    def open_it(served: str) -> Any:
        context = browser.new_context(viewport={"width": 1440, "height": 960}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda call: requested.append(call.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(served)
        page.wait_for_selector("#nearest")
        for figure in ("maps", "losses", "weights", "outputs"):
            page.wait_for_selector(f"#{figure} .main-svg")
        return page

    yield open_it
    for context in contexts:
        context.close()
    outside = [url for url in requested if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", url)]
    assert outside == []
    assert failed == []
    gc.collect()


def test_tasks_are_blended_pinned_and_baked(opened: Any, tmp_path: Path) -> None:
    scene = view("continual/task_conditioned")
    model = scene.model
    with explore.serve(scene, title="tasks") as address:
        page = opened(address)
        assert page.locator("#here").inner_text() == "task: task 0"
        page.click("#pin")
        page.wait_for_selector("#apart")
        move(page, "share", 0.25)
        wait_for(page, "25% of the way from task 0 to task 1")
        with torch.no_grad():
            first, second = model.hypernet.encoder(torch.arange(2))
            now, then = (model.hypernet.from_features(row) for row in (0.75 * first + 0.25 * second, first))
            probe = scene.probes[0]
            losses = [probe.measured(model.target(weights, probe.inputs)).item() for weights in (now, then)]
            flat = [torch.cat([tensor.flatten() for tensor in weights.values()]).double() for weights in (now, then)]
        assert float(cells(page, "norm")[0]) == pytest.approx(flat[0].norm().item(), rel=1e-3)
        assert [float(cell) for cell in cells(page, "loss")[:2]] == pytest.approx(losses, rel=1e-3)
        apart = (flat[0] - flat[1]).square().mean().sqrt().item()
        assert float(cells(page, "apart")[2]) == pytest.approx(apart, rel=1e-3)

        pick(page, "layer", "3.bias")
        page.wait_for_function("document.querySelector('#weights .js-plotly-plot').layout.yaxis.visible === false")
        pick(page, "probe", "task 1")
        page.wait_for_function("document.querySelector('#loss').textContent.includes('task 1')")
        page.screenshot(path=tmp_path / "tasks.png")
        assert (tmp_path / "tasks.png").stat().st_size > 20_000

        page.click("#export")
        with page.expect_download() as found:
            page.locator(
                "#files a[download='weights.safetensors'], #files a[href*='weights.safetensors']"
            ).first.click()
        tensors = load_file(found.value.path())
        torch.testing.assert_close(tensors["1.weight"], now["1.weight"])


def test_a_preference_runs_along_the_front(opened: Any) -> None:
    scene = view("multiobjective/pareto_phn")
    with explore.serve(scene, title="front") as address:
        page = opened(address)
        for share in (0.2, 0.7):
            move(page, "number-0", share)
            wait_for(page, f"{share:.1%} / {1 - share:.1%}")
            with torch.no_grad():
                outputs = scene.model(scene.probes[0].inputs, context=torch.tensor([share, 1 - share]))
                losses = [probe.measured(outputs).item() for probe in scene.probes]
            point = plotted(page, "losses")["this context"]
            assert [point["x"][0], point["y"][0]] == pytest.approx(losses, rel=1e-4)
        assert len(plotted(page, "losses")["known contexts"]["x"]) == len(scene.contexts)
        page.click("#draw")
        page.wait_for_function("!document.querySelector('#here').textContent.includes('70.0%')")


def test_an_image_becomes_another(opened: Any) -> None:
    scene = view("implicit/functional_image")
    with explore.serve(scene, title="images") as address:
        page = opened(address)
        assert page.locator("#thumbnails img").count() == 2
        pick(page, "first", "image 3")
        wait_for(page, "image 3")
        page.wait_for_function("document.querySelector('#thumbnails img').alt === 'image 3'")
        move(page, "share", 1)
        wait_for(page, "100% of the way from image 3 to image 1")
        with torch.no_grad():
            outputs = scene.model(scene.probes[3].inputs, context=scene.contexts[1])
        assert float(cells(page, "loss")[0]) == pytest.approx(scene.probes[3].measured(outputs).item(), rel=1e-3)
        assert cells(page, "nearest")[0].startswith("image 1, at ")
        pick(page, "probe", "16 x 16 pixels")
        page.wait_for_selector("#loss", state="detached")


def test_a_broken_generator_is_words_on_the_page(opened: Any) -> None:
    scene = view("continual/task_conditioned")
    with torch.no_grad():
        next(scene.model.hypernet.head.parameters()).view(-1)[0] = torch.nan
    with explore.serve(scene, title="broken") as address:
        page = opened(address)
        assert "generated weights are not finite" in page.get_by_role("alert").inner_text()
        assert "not finite" in page.locator("#weights").inner_text()
        move(page, "share", 0.5)
        wait_for(page, "50% of the way")  # it goes on, and says so there too
        assert page.get_by_role("alert").is_visible()


def test_nothing_is_cut_off(opened: Any) -> None:
    with explore.serve(view("multiobjective/pareto_phn"), title="front") as address:
        page = opened(address)
        page.click("#pin")
        page.wait_for_selector("#apart")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        cut = page.evaluate("""[...document.querySelectorAll('.js-plotly-plot text')].filter(word => {
            const box = word.getBoundingClientRect(), plot = word.closest('.js-plotly-plot').getBoundingClientRect();
            return word.textContent && (box.left < plot.left - 1 || box.right > plot.right + 1
                || box.top < plot.top - 1 || box.bottom > plot.bottom + 1);
        }).map(word => word.textContent)""")
        assert cut == []


def test_the_command_ends_without_complaint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "continual/task_conditioned"
    assert main(["run", name, "--setting", "tiny", "--variants", "hypernet", "--quiet", "--out", str(tmp_path)]) == 0
    folder = next((tmp_path / name).iterdir())
    command = [sys.executable, "-m", "hyperdnn", "explore", str(folder), "--no-browser"]
    # what was started in the background of a shell hands on that interruptions are ignored
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=heed) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=60)
        finally:
            process.kill()  # or the end of this block would wait for it
    assert process.returncode == 0
    assert complaint == ""
