"""Pictures and explanations of computation graphs.

Start reading in `api` (`draw`), which takes a `snapshot` of the graph, turns it into a `scene` in
one of the styles, and hands that to a layout and to the writers.
"""

from microgradx.drawing.api import draw, draw_dot, trace
from microgradx.drawing.diagnosis import Diagnosis, why
from microgradx.drawing.ledger import Explanation, explain
from microgradx.drawing.picture import Drawing
from microgradx.drawing.stepper import Animation, Step, animate
from microgradx.drawing.watching import detect_anomaly, trace_lines

__all__ = [
    "Animation",
    "Diagnosis",
    "Drawing",
    "Explanation",
    "Step",
    "animate",
    "detect_anomaly",
    "draw",
    "draw_dot",
    "explain",
    "trace",
    "trace_lines",
    "why",
]
