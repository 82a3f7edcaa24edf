import jaxtyping
import pytest


@pytest.fixture(autouse=True)
def as_a_user_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are enforced in tests only: here a user's mistake must meet our own error, not the type checker's."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
