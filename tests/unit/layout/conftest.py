import jaxtyping
import pytest


@pytest.fixture
def as_a_user_runs_it(monkeypatch):
    """Annotations are enforced in tests only: a user's mistake meets our own error, not the type checker's."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
