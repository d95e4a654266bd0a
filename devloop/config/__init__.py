"""Text to Project, or every problem with file, line and column."""
