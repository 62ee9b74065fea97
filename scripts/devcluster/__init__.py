"""devcluster: a real Kubernetes control plane on one machine, for demos, tests and benchmarks."""
