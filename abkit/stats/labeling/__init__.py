"""What to label next: what is known about a taste, and the questions whose answers tell most about its ranking."""
