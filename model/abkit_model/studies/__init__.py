"""Studies beside the score path: plain heads, faithfulness, query activity."""
