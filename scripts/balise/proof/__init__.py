"""The safety of every upgrade edge, for every user."""
