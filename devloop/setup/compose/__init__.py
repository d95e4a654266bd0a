"""Compose files as a starting point: their services as manifests and images."""
