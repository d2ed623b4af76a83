"""Pictures and explanations of computation graphs.

Start reading in `api` (`draw`), which takes a `snapshot` of the graph, turns it into a `scene` in
one of the styles, and hands that to a layout and to the writers.
"""

from microgradx.drawing.api import draw, draw_dot, trace
from microgradx.drawing.picture import Drawing

__all__ = ["Drawing", "draw", "draw_dot", "trace"]
