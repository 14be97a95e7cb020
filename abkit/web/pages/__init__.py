"""Pages: a module for each, with a `router`; they call workflows and hold no logic of their own."""
