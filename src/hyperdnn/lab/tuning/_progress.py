"""How far a search is, with the training under way as a part of it."""

from typing import final

from hyperdnn.lab.train._progress import Progress

__all__ = ["Share"]


@final
class Share:
    """Shows one training behind the progress of all trials, of which there is only one bar.

    Args:
        whole: counts trials.
        text: what stands before this training, such as the best trial so far.
    """

    def __init__(self, whole: Progress, text: str) -> None:
        self.whole, self.text = whole, text
        self.title, self.percent = "", -1
        self.iterations, self.done = 1, 0

    def start(self, title: str, iterations: int, done: int = 0) -> None:
        """A training begins."""
        self.title, self.iterations, self.done, self.percent = title, max(iterations, 1), done, -1

    def advance(self) -> None:
        """Show it, if it is another percentage."""
        self.done += 1
        percent = 100 * self.done // self.iterations
        if percent != self.percent:
            self.percent = percent
            self.whole.show(f"{self.text}; {self.title} at {percent} %")

    def show(self, text: str) -> None:
        """Nothing: what is measured on the way is no result of the trial."""

    def warn(self, text: str) -> None:
        """Nothing: bad settings are what a search goes through, and the warning stands in metrics.jsonl."""

    def stop(self) -> None:
        """Nothing: the search goes on."""
