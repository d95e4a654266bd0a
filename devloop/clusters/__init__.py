"""Local clusters: making, describing and deleting them with the tool that the user has. A thin wrapper, never a tool of its own."""
