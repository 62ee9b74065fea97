"""What all runs have in common: steps that survive a crash, the Jobs they are done by, and how those get to a store."""
