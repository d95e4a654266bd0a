"""Configurations of other tools as devloop's: tree to tree, with a list of what could not be carried."""
