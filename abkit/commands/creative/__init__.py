"""Commands about creatives: score them, choose among them, name and review them."""
