"""Which hypernet fits: every strategy computed for one's own target, before anything is built.

`plan` compares them and gives a `Plan` to print: a `Row` for each strategy, the `Recommendation`, and what of the
review's five questions (`Needs`) is still open.
"""

from hyperdnn.planning._cost import Row
from hyperdnn.planning._needs import Needs
from hyperdnn.planning._plan import Plan, plan
from hyperdnn.planning._recommend import Facts, Question, Recommendation, Use

__all__ = ["Facts", "Needs", "Plan", "Question", "Recommendation", "Row", "Use", "plan"]
