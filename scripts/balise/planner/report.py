"""A plan for a person to read, and the same as data."""

from __future__ import annotations

from typing import Any

from balise.planner.deprecations import deprecation_conditions
from balise.planner.explanation import channel_head, why_installed, why_no_further
from balise.planner.extension import Extension, Walk
from balise.planner.index import CatalogIndex
from balise.planner.rollout import Cluster
from balise.planner.rounds import Plan
from balise.planner.universe import Subscription, Universe

__all__ = ["as_data", "as_text", "extension_data", "extension_text"]


def as_data(planned: Plan, universe: Universe, cluster: Cluster, index: CatalogIndex) -> dict[str, Any]:
    """The plan as JSON values, explanations included."""
    return {
        "subscriptions": [_subscription_data(s) for s in universe.subscriptions],
        "installed": sorted(csv.name for csv in universe.csvs),
        "rounds": [
            {
                "needsApproval": cluster.manual_approval,
                "installs": [
                    {
                        "csv": install.csv,
                        "version": install.version,
                        "replaces": install.replaces,
                        "package": install.package,
                        "channel": install.channel,
                        "catalog": install.catalog.name,
                        "why": why_installed(this, install, index),
                    }
                    for install in this.installs
                ],
                "newSubscriptions": [_subscription_data(s) for s in this.new_subscriptions],
                "obstacles": [
                    {"csv": o.csv, "phase": o.phase, "reason": o.reason, "text": o.text} for o in this.obstacles
                ],
            }
            for this in planned.rounds
        ],
        "blocked": None if planned.blocked is None else list(planned.blocked.facts),
        "stays": {s.name: why_no_further(planned.final, s, index) for s in _asked(planned, universe)}
        if planned.blocked is None
        else {},
        "conditions": {
            s.name: [{"type": c.type, "message": c.message} for c in deprecation_conditions(planned.final, s)]
            for s in _asked(planned, universe)
        },
        "final": sorted(csv.name for csv in planned.final.csvs),
    }


def _subscription_data(subscription: Subscription) -> dict[str, str]:
    return {
        "name": subscription.name,
        "package": subscription.package,
        "channel": subscription.channel,
        "catalog": subscription.source.name,
        "startingCSV": subscription.starting_csv,
        "installedCSV": subscription.installed_csv,
    }


def _asked(planned: Plan, universe: Universe) -> list[Subscription]:
    names = {subscription.name for subscription in universe.subscriptions}
    return [subscription for subscription in planned.final.subscriptions if subscription.name in names]


def as_text(planned: Plan, universe: Universe, cluster: Cluster, index: CatalogIndex) -> str:
    """The plan in lines."""
    lines = [_opening(subscription, index, universe) for subscription in universe.subscriptions]
    for number, this in enumerate(planned.rounds, 1):
        approval = "  (waits until somebody approves it)" if cluster.manual_approval else ""
        lines.append(f"InstallPlan {number}{approval}")
        for install in this.installs:
            first, *others = why_installed(this, install, index) or [""]
            lines.append(f"  installs {install.csv}: {first}" if first else f"  installs {install.csv}")
            lines += [f"      {other}" for other in others]
        lines += [
            f"  creates Subscription {s.name} for it, approved automatically, pinned to channel {s.channel}"
            for s in this.new_subscriptions
        ]
        lines += [f"  but {o.csv} stays {o.phase}: {o.text} ({o.reason})" for o in this.obstacles]
    lines += _ending(planned, universe, index)
    for subscription in _asked(planned, universe):
        # The last one only sums up the others.
        conditions = deprecation_conditions(planned.final, subscription)[:-1]
        lines += [f"Deprecated ({condition.type}): {condition.message}" for condition in conditions]
    return "\n".join(lines) + "\n"


def _opening(subscription: Subscription, index: CatalogIndex, universe: Universe) -> str:
    head = channel_head(universe, subscription, index)
    has = f"{subscription.installed_csv} is installed" if subscription.installed_csv else "nothing is installed"
    where = f"{subscription.package}, channel {subscription.channel} of catalog {subscription.source.name}"
    return f"Subscription to {where}" + (f" (head {head.name})" if head else "") + f"; {has}"


def _ending(planned: Plan, universe: Universe, index: CatalogIndex) -> list[str]:
    if planned.blocked is not None:
        kind = "tried again and again" if planned.blocked.retried else "not tried again until something changes"
        stuck = [o.csv for this in planned.rounds for o in this.obstacles]
        title = f"Blocked, for all Subscriptions of the namespace ({kind}):"
        if stuck:
            title = f"Until {stuck[-1]} runs, nothing in the namespace moves:"
        return [title, *(f"  - {fact}" for fact in planned.blocked.facts)]
    lines = []
    held = {o.csv for this in planned.rounds for o in this.obstacles}
    for subscription in _asked(planned, universe):
        installed = subscription.installed_csv
        reasons = why_no_further(planned.final, subscription, index)
        if not reasons and installed not in held:
            lines.append(f"Settled: {installed} is the head of channel {subscription.channel}")
        elif not reasons:
            lines.append(f"Stuck: {installed} is the head of channel {subscription.channel}, but it does not run")
        else:
            lines += [f"Stays at {installed or 'nothing'}:", *(f"  - {reason}" for reason in reasons)]
    return lines


def extension_data(extension: Extension, walk: Walk) -> dict[str, Any]:
    """What becomes of a ClusterExtension, as JSON values."""
    return {
        "package": extension.package,
        "version": extension.version,
        "channels": list(extension.channels),
        "upgradeConstraintPolicy": extension.policy,
        "installed": extension.installed,
        "steps": [
            {"bundle": step.bundle.name, "version": step.bundle.version, "catalog": step.catalog} for step in walk.steps
        ],
        "stopped": None if walk.stopped is None else {"bundle": walk.stopped.bundle, "text": walk.stopped.text},
    }


def extension_text(extension: Extension, walk: Walk) -> str:
    """What becomes of a ClusterExtension, in lines."""
    has = f"{extension.installed} is installed" if extension.installed else "nothing is installed"
    asked = [f"version {extension.version}"] if extension.version else []
    asked += [f"channels {', '.join(extension.channels)}"] if extension.channels else []
    lines = [f"ClusterExtension for {', '.join([extension.package, *asked])} ({extension.policy}); {has}"]
    lines += [f"  installs {step.bundle.name} from catalog {step.catalog}" for step in walk.steps]
    last = walk.steps[-1].bundle.name if walk.steps else extension.installed
    if walk.stopped is not None:
        lines.append(f"Stopped{f' at {last}' if last else ''}: {walk.stopped.text}")
    else:
        lines.append(f"Settled: {last}")
    return "\n".join(lines) + "\n"
