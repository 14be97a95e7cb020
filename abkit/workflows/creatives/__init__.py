"""Campaigns and their creatives: where their images are, what each delivered, which scores of it count."""
