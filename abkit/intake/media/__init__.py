"""What images and videos are, and what placements ask of them."""
