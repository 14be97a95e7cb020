"""What is advertised: creatives under their names, the campaigns they are in, the ideas that they show."""
