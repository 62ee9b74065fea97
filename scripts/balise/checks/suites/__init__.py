"""The checks, one module for each suite."""
