"""Keep KPIs: staged, published, linked to creatives, read with their scores."""
