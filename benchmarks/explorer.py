"""How long the explorer takes for a move of a slider: on the server, and on the whole way to the picture in a browser.

``python -m benchmarks.explorer RUN...`` with folders of trained runs. Chromium is started for the second; it must be on
the path, with playwright installed.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from hyperdnn import explore, lab
from hyperdnn.errors import HyperDNNError
from hyperdnn.explore._page import Page  # noqa: PLC2701  what the server does, without a browser
from hyperdnn.explore._scene import Scene  # noqa: PLC2701  the same

MOVES = 30
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

# From the event until words and all four figures are new and a frame with them was drawn.
MOVE = """async ([selector, value]) => {
    const slider = document.querySelector(selector + " input[type=range]"), words = document.querySelector("#here");
    const plots = () => [...document.querySelectorAll(".js-plotly-plot")];
    const before = words.textContent, earlier = new Set(plots()), start = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    const isNew = () => words.textContent !== before && plots().length === 4 && plots().every(
        plot => !earlier.has(plot) && plot.querySelector(".main-svg"));
    while (!isNew()) {
        if (performance.now() - start > 20000) throw new Error("nothing changed");
        await new Promise(resolve => setTimeout(resolve, 1));
    }
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 0)));
    return performance.now() - start;
}"""


def on_server(view: lab.View) -> list[float]:
    """Milliseconds of each move, everything that is sent included; another context is pinned."""
    with TemporaryDirectory() as folder:
        page = Page(Scene(view), title="", folder=Path(folder))
        values = page.values
        values[page.pinned] = page.panel.row(values).tolist()
        times = []
        for k in range(MOVES):
            values[page.panel.slider] = _place(k)
            start = time.perf_counter()
            page.follow(values)
            times.append(1000 * (time.perf_counter() - start))
    return times


def in_browser(view: lab.View) -> list[float]:
    """Milliseconds of each move, from the slider's event to the drawn frame; another context is pinned."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, explore.serve(view) as address:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 960})
        page.goto(address)
        page.wait_for_selector("#norm", timeout=120_000)
        page.wait_for_selector("#outputs .main-svg", timeout=120_000)
        page.click("#pin")
        page.wait_for_selector("#apart")
        slider = "#number-0" if page.locator("#number-0").count() else "#share"
        times = []
        for k in range(MOVES):
            times.append(page.evaluate(MOVE, [slider, _place(k)]))
            page.wait_for_timeout(200)  # what follows the last move is not counted to the next
        browser.close()
    return times


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of trained runs")
    options = parser.parse_args(arguments)
    where = machine()
    print(f"{where['name']}, {where['cores']} cores, load {where['load']}; {MOVES} moves each, milliseconds")
    print(f"{'model':40} {'where':8} {'median':>8} {'most':>8}")
    for run in options.runs:
        try:
            trained = lab.trained(run)
            for place, measure in (("server", on_server), ("browser", in_browser)):
                times = measure(trained.view())
                print(f"{trained.name:40} {place:8} {median(times):8.1f} {max(times):8.1f}", flush=True)
        except HyperDNNError as error:
            sys.exit(f"benchmarks: {error}")


def _place(k: int) -> float:
    """Back and forth along the slider, never twice at one place."""
    return round(0.1 + 0.8 * ((7 * k) % MOVES) / MOVES, 2)


if __name__ == "__main__":
    main()
