"""What an upgrade from one bundle to another changes for those who run it, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from balise.proof.contents import Contents, mapping, sequence
from balise.proof.crd_safety import compare_crds, removed_stored_versions, served_versions

__all__ = ["Change", "changes"]

Kind = Literal["crd", "conversion", "install mode", "permission", "webhook", "image", "Kubernetes version"]


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``breaks`` names who is hurt: ``v0``, ``v1`` (refused or stuck there), both, or nobody."""

    kind: Kind
    text: str
    breaks: tuple[str, ...] = ()


def changes(old: Contents, new: Contents) -> list[Change]:
    """All changes that matter, what breaks first."""
    found = [
        *_crd_changes(old, new),
        *_install_modes(old, new),
        *_webhooks(old, new),
        *_minimum(old, new),
        *_permissions(old, new),
        *_images(old, new),
    ]
    return sorted(found, key=lambda change: not change.breaks)


def _crd_changes(old: Contents, new: Contents) -> Iterator[Change]:
    for name, before in old.crds.items():
        after = new.crds.get(name)
        if after is None:
            yield Change(
                "crd", f"{name} is no longer part of the bundle: it stays in the cluster, and nobody serves it"
            )
            continue
        removed = removed_stored_versions(before, after)
        for version in removed:
            text = f"{name} no longer has version {version}, in which objects may be stored"
            yield Change("crd", text, ("v0", "v1"))
        for version in _unserved(old, name, before, after):
            text = f"{name} no longer serves {version}, which the CSV {old.name} lists: the running version then fails"
            yield Change("crd", text, ("v0",))
        for problem in compare_crds(before, after):
            if problem.check != "storedVersionRemoval":
                yield Change("crd", f"{name}: {problem}", ("v1",))
        for version in sorted(set(served_versions(after)) - set(served_versions(before))):
            yield Change("crd", f"{name} is served in {version}, too")
        yield from _conversion(name, before, after)
    for name in sorted(set(new.crds) - set(old.crds)):
        yield Change("crd", f"{name} is new")


def _unserved(old: Contents, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    owned = sequence(mapping(old.spec.get("customresourcedefinitions")).get("owned"))
    listed = {str(crd.get("version")) for crd in owned if crd.get("name") == name}
    gone = set(served_versions(before)) - set(served_versions(after))
    return sorted(gone & listed)


def _conversion(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    old, new = (
        str(mapping(mapping(c.get("spec")).get("conversion")).get("strategy") or "None") for c in (before, after)
    )
    if old == new:
        return
    text = f"{name}: conversion changes from {old} to {new}"
    several = len(served_versions(after)) > 1
    yield Change("conversion", text, ("v0", "v1") if new == "None" and several else ())


def _install_modes(old: Contents, new: Contents) -> Iterator[Change]:
    before, after = _modes(old), _modes(new)
    for mode in sorted(before - after):
        yield Change("install mode", f"{mode} is no longer supported: who installed it so gets stuck", ("v0",))
    for mode in sorted(after - before):
        yield Change("install mode", f"{mode} is supported now")


def _modes(contents: Contents) -> set[str]:
    return {str(m.get("type")) for m in sequence(contents.spec.get("installModes")) if m.get("supported") is True}


def _webhooks(old: Contents, new: Contents) -> Iterator[Change]:
    before, after = _webhook_names(old), _webhook_names(new)
    for name in sorted(before - after):
        yield Change("webhook", f"{name} is gone")
    for name in sorted(after - before):
        yield Change("webhook", f"{name} is new: requests wait for it, and fail with it unless it says otherwise")


def _webhook_names(contents: Contents) -> set[str]:
    return {f"{w.get('type')} {w.get('generateName')}" for w in sequence(contents.spec.get("webhookdefinitions"))}


def _minimum(old: Contents, new: Contents) -> Iterator[Change]:
    before, after = (str(contents.spec.get("minKubeVersion") or "") for contents in (old, new))
    if before != after:
        text = f"minKubeVersion changes from {before or 'none'} to {after or 'none'}"
        yield Change("Kubernetes version", text)


class _Rule(NamedTuple):
    scope: str
    group: str
    resource: str
    name: str
    verb: str


def _permissions(old: Contents, new: Contents) -> Iterator[Change]:
    before, after = _rules(old), _rules(new)
    for word, more, less in (("may now", after, before), ("may no longer", before, after)):
        verbs: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
        for rule in sorted(more - less):
            if not any(_covers(other, rule) for other in less):
                verbs[rule.scope, rule.group, rule.resource, rule.name].append(rule.verb)
        for (scope, group, resource, name), allowed in verbs.items():
            what = resource if resource.startswith("/") else f"{resource}{f' of {group}' if group else ''}"
            named = f" named {name}" if name else ""
            yield Change("permission", f"it {word} {', '.join(allowed)} {what}{named} {scope}")


def _rules(contents: Contents) -> set[_Rule]:
    install = mapping(mapping(contents.spec.get("install")).get("spec"))
    found: set[_Rule] = set()
    for key, scope in (("clusterPermissions", "in the whole cluster"), ("permissions", "in its namespaces")):
        for permission in sequence(install.get(key)):
            for rule in sequence(permission.get("rules")):
                found.update(_atoms(rule, scope))
    return found


def _atoms(rule: Mapping[str, Any], scope: str) -> Iterator[_Rule]:
    def strings(key: str) -> list[str]:
        value = rule.get(key)
        return [str(item) for item in value] if isinstance(value, list) else []

    for verb in strings("verbs"):
        for url in strings("nonResourceURLs"):
            yield _Rule(scope, "", url, "", verb)
        for group in strings("apiGroups"):
            for resource in strings("resources"):
                for name in strings("resourceNames") or [""]:
                    yield _Rule(scope, group, resource, name, verb)


def _covers(wide: _Rule, narrow: _Rule) -> bool:
    if wide.scope not in (narrow.scope, "in the whole cluster"):
        return False
    return (
        wide.group in ("*", narrow.group)
        and wide.resource in ("*", narrow.resource)
        and wide.name in ("", narrow.name)
        and wide.verb in ("*", narrow.verb)
    )


def _images(old: Contents, new: Contents) -> Iterator[Change]:
    before, after = _image_set(old), _image_set(new)
    for image in sorted(after - before):
        yield Change("image", f"runs {image}, which has to be pulled")


def _image_set(contents: Contents) -> set[str]:
    install = mapping(mapping(contents.spec.get("install")).get("spec"))
    images = {str(related.get("image")) for related in sequence(contents.spec.get("relatedImages"))}
    for deployment in sequence(install.get("deployments")):
        pod = mapping(mapping(mapping(deployment.get("spec")).get("template")).get("spec"))
        for key in ("containers", "initContainers"):
            images.update(str(container.get("image")) for container in sequence(pod.get(key)))
    return images - {"None", ""}
