"""Builders: from sources to an image in the engine."""
