"""What the API server asks the operator: which replica answers makes no difference, and all do."""
