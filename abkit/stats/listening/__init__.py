"""What listening to a score is worth: winners kept, gain, regret, policy value, money; against chance and noise."""
