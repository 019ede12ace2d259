"""Tables and figures."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from kerasseg.reports.comparison import markdown as markdown
    from kerasseg.reports.comparison import pareto as pareto

__all__ = ["markdown", "pareto"]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"comparison": ["markdown", "pareto"]})
