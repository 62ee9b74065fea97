"""Bundles generated from an operator's code."""
