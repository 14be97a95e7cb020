"""Import ratings and measure how raters agree."""
