"""What all experiments together say: where each stands, the programme, the digest of a week."""
