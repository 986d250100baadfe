"""What was seen, drawn: small accessible widgets, figures and cards.

Each has a text twin, works by keyboard, and says on which machine it was recorded.
"""

from sandboxes.view.anatomy import layers
from sandboxes.view.cards import checks, verdict
from sandboxes.view.columns import twin
from sandboxes.view.distributions import measurement
from sandboxes.view.matrix import namespaces
from sandboxes.view.panel import limits
from sandboxes.view.quiz import quiz
from sandboxes.view.stamps import stamp
from sandboxes.view.waterfall import waterfall

__all__ = [
    "checks",
    "layers",
    "limits",
    "measurement",
    "namespaces",
    "quiz",
    "stamp",
    "twin",
    "verdict",
    "waterfall",
]
