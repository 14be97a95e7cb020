"""What listening to the score is worth, and what to do with each creative, in figures and in words."""
