"""abkit: score ad creatives before launch, check the scores against KPIs, watch for drift."""

__version__ = "0.1.0"
