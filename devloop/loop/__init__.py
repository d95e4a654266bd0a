"""The one loop: what to do next (pure) and the shell that does it."""
