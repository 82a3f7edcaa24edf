from hyperdnn.lab.train._progress import Lines, Progress
from hyperdnn.lab.tuning._progress import Share


def test_a_training_is_a_percentage_behind_what_is_known(monkeypatch):
    heard, watcher = [], Lines()
    monkeypatch.setattr(watcher, "show", heard.append)
    share = Share(watcher, "best loss 0.5 (trial 0)")
    assert isinstance(share, Progress)
    share.start("trial 3, net", 400, 100)
    for _ in range(12):
        share.advance()
    share.show("loss 1")
    share.warn("the generator is dead")  # metrics.jsonl has it
    share.stop()
    assert heard == [f"best loss 0.5 (trial 0); trial 3, net at {percent} %" for percent in (25, 26, 27, 28)]


def test_each_training_begins_again(monkeypatch):
    heard, watcher = [], Lines()
    monkeypatch.setattr(watcher, "show", heard.append)
    share = Share(watcher, "no result yet")
    for title in ("seed 0", "seed 1"):
        share.start(title, 1)
        share.advance()
    assert heard == ["no result yet; seed 0 at 100 %", "no result yet; seed 1 at 100 %"]
