"""Upgrades: one change of an application from a revision to another, with its data, or back."""
