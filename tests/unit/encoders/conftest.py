import jaxtyping
import pytest


@pytest.fixture
def as_a_user_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are enforced in tests only: a user's mistake, and the compiler, must not meet the type checker."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
