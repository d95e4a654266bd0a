"""Screens: they draw events and decide nothing."""
