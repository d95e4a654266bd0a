"""Fakes that devloop ships for its own tests and for authors of plug-ins."""
