"""Import KPIs and link ads to creatives."""
