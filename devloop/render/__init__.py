"""Renderers: from files to Kubernetes objects, and images into them."""
