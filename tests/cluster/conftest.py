"""What the cluster tests find at hand beside the cluster and a namespace."""

from harness.fixtures import audit, installation, kube, operator, operator_factory

__all__ = ["audit", "installation", "kube", "operator", "operator_factory"]
