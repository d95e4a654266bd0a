"""Placers: from the engine to where the cluster can run the image."""
