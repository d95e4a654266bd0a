"""devloop: the local dev loop for Kubernetes."""

__version__ = "0.1.0"
