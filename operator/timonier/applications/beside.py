"""What an Upgrade tries beside an Application's own workload: pods of the new revision, and a Service to them.

With BlueGreen these pods lack the label by which everything else selects the Application's, so that its Service leads
to all of the one kind or to all of the other. With Canary they have it, and get their share.
"""

from collections.abc import Iterator
from typing import Any

from timonier.api.application import Application
from timonier.api.references import APPLICATION_LABEL, NEXT_LABEL
from timonier.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    Resource,
)
from timonier.applications.children import child, config_name, labels, next_name
from timonier.applications.exposure import has_service, network_policy, service_beside
from timonier.applications.revisions import Beside
from timonier.applications.scaling import disruption_budget, sized
from timonier.applications.workload import config_data, workload_beside
from timonier.engine.contract import Manifest

__all__ = ["children_beside", "is_beside", "selector_beside"]


def selector_beside(application: Application) -> dict[str, str]:
    """The labels that select the pods of what is tried."""
    return {NEXT_LABEL: application.metadata.name}


def is_beside(manifest: Manifest) -> bool:
    """The object belongs to what is tried, or was."""
    return NEXT_LABEL in manifest["metadata"].get("labels", {})


def children_beside(beside: Beside, replicas: int) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """Every object of it, what its pods need at their start first; `replicas` is the number of pods."""
    application = beside.application
    name, selector = next_name(application.metadata.name), selector_beside(application)
    pods = labels(application) | selector
    if beside.traffic != "Shared":
        del pods[APPLICATION_LABEL]
    made: list[tuple[Resource, dict[str, Any]]] = []
    if data := config_data(application):
        made.append((CONFIG_MAPS, child(application, CONFIG_MAPS, config_name(application, name), {"data": data})))
    if (policy := network_policy(application, {"matchLabels": selector})) is not None:
        policy["metadata"]["name"] = name
        made.append((NETWORK_POLICIES, policy))
    if has_service(application):
        made.append((SERVICES, service_beside(application, name, selector)))
    budget = disruption_budget(sized(application, replicas), {"matchLabels": selector})
    if budget is not None and beside.traffic != "Shared":  # with that, the Application's own covers them
        budget["metadata"]["name"] = name
        made.append((POD_DISRUPTION_BUDGETS, budget))
    made.append((DEPLOYMENTS, workload_beside(application, name, replicas, beside.revision, beside.mark, pods)))
    for resource, manifest in made:
        manifest["metadata"]["labels"] |= selector
        yield resource, manifest
