"""What the cluster tests find at hand beside the cluster and a namespace."""

import pytest

from harness.fixtures import audit, installation, kube, kubectl, operator, operator_factory, reviewed

__all__ = ["audit", "installation", "kube", "kubectl", "operator", "operator_factory", "pod_security", "reviewed"]


@pytest.fixture(scope="session")
def pod_security() -> str:
    """The strictest level admits whatever the operator makes: a Job that is not fails the test that is about it."""
    return "restricted"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The proof of least privilege comes last: it judges what all the other tests made the operator do."""
    items.sort(key=lambda item: item.path.name == "test_permissions.py")
