"""Show what is watched: drift, correlations, and what listening is worth."""
