"""What the cluster tests, the benchmarks and the demo share: a small client, an operator process, the audit log."""
