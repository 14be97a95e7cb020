"""One look at an experiment: guards, figures, verdict."""
