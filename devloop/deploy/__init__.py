"""From rendered objects to applied ones, and back out again."""
