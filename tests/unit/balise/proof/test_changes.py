"""What an upgrade changes, in words."""

from __future__ import annotations

from typing import Any

from balise.proof.changes import Change, changes
from balise.proof.contents import Contents

JSON = dict[str, Any]


def contents(name: str = "a.v1.0.0", crds: dict[str, JSON] | None = None, **spec: Any) -> Contents:
    return Contents(name, {"metadata": {"name": name}, "spec": spec}, crds or {}, frozenset())


def rules(*rules: JSON, cluster: bool = True) -> JSON:
    key = "clusterPermissions" if cluster else "permissions"
    return {"spec": {key: [{"serviceAccountName": "a", "rules": list(rules)}]}}


def rule(verbs: list[str], resources: list[str], groups: list[str] | None = None, **more: Any) -> JSON:
    return {"verbs": verbs, "resources": resources, "apiGroups": groups or [""], **more}


def crd(*versions: str, served: tuple[str, ...] = (), storage: str = "v1", conversion: str = "None") -> JSON:
    return {
        "spec": {
            "conversion": {"strategy": conversion},
            "versions": [{"name": v, "served": v in (served or versions), "storage": v == storage} for v in versions],
        }
    }


def texts(old: Contents, new: Contents) -> list[str]:
    return [f"{change.kind}: {change.text}" for change in changes(old, new)]


def test_permissions_are_told_by_what_may_be_done() -> None:
    old = contents(install=rules(rule(["get", "list"], ["pods"])))
    new = contents(install=rules(rule(["get", "list", "delete"], ["pods"]), rule(["create"], ["jobs"], ["batch"])))
    assert texts(old, new) == [
        "permission: it may now delete pods in the whole cluster",
        "permission: it may now create jobs of batch in the whole cluster",
    ]
    assert texts(new, old)[0] == "permission: it may no longer delete pods in the whole cluster"


def test_a_permission_within_a_wider_one_is_not_new() -> None:
    old = contents(install=rules(rule(["*"], ["*"], ["*"])))
    new = contents(install=rules(rule(["get"], ["pods"])))
    assert [text for text in texts(old, new) if "may now" in text] == []
    narrower = contents(install=rules(rule(["*"], ["*"], ["*"]), cluster=False))
    assert [text for text in texts(old, narrower) if "may now" in text] == []
    assert [text for text in texts(narrower, old) if "may now" in text] == [
        "permission: it may now * * of * in the whole cluster"
    ]


def test_named_resources_and_urls() -> None:
    new = contents(
        install=rules(
            rule(["get"], ["secrets"], resourceNames=["a"]), {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}
        )
    )
    assert texts(contents(), new) == [
        "permission: it may now get /metrics in the whole cluster",
        "permission: it may now get secrets named a in the whole cluster",
    ]


def test_install_modes_lost_break_who_installed_it_so() -> None:
    both = contents(
        installModes=[{"type": "AllNamespaces", "supported": True}, {"type": "OwnNamespace", "supported": True}]
    )
    one = contents(
        installModes=[{"type": "AllNamespaces", "supported": True}, {"type": "OwnNamespace", "supported": False}]
    )
    (lost,) = changes(both, one)
    assert (lost.kind, lost.breaks) == ("install mode", ("v0",))
    assert changes(one, both) == [Change("install mode", "OwnNamespace is supported now")]


def test_webhooks_images_and_the_minimum_version() -> None:
    old = contents(relatedImages=[{"name": "a", "image": "r.example.com/a:1"}], minKubeVersion="1.28.0")
    new = contents(
        relatedImages=[{"name": "a", "image": "r.example.com/a:2"}],
        minKubeVersion="1.30.0",
        webhookdefinitions=[{"type": "ValidatingAdmissionWebhook", "generateName": "v.example.com"}],
    )
    assert texts(old, new) == [
        "webhook: ValidatingAdmissionWebhook v.example.com is new: requests wait for it, and fail with it unless it "
        "says otherwise",
        "Kubernetes version: minKubeVersion changes from 1.28.0 to 1.30.0",
        "image: runs r.example.com/a:2, which has to be pulled",
    ]
    assert texts(new, old)[0] == "webhook: ValidatingAdmissionWebhook v.example.com is gone"


def test_a_version_no_longer_served_breaks_the_csv_that_lists_it() -> None:
    owned = {"owned": [{"name": "ks.example.com", "version": "v1alpha1", "kind": "K"}]}
    old = contents(crds={"ks.example.com": crd("v1alpha1", "v1")}, customresourcedefinitions=owned)
    new = contents("a.v2.0.0", {"ks.example.com": crd("v1alpha1", "v1", served=("v1",))})
    (change,) = changes(old, new)
    assert change.breaks == ("v0",)
    assert "no longer serves v1alpha1, which the CSV a.v1.0.0 lists" in change.text


def test_a_stored_version_that_is_gone_breaks_both() -> None:
    old = contents(crds={"ks.example.com": crd("v1alpha1", "v1", storage="v1alpha1")})
    (change,) = changes(old, contents(crds={"ks.example.com": crd("v1")}))
    assert change.breaks == ("v0", "v1")


def test_a_version_that_is_served_from_now_on_breaks_nobody() -> None:
    old = contents(crds={"ks.example.com": crd("v1")})
    (change,) = changes(old, contents(crds={"ks.example.com": crd("v1alpha1", "v1")}))
    assert (change.kind, change.text, change.breaks) == ("crd", "ks.example.com is served in v1alpha1, too", ())


def test_conversion_and_whole_crds() -> None:
    webhook = contents(crds={"ks.example.com": crd("v1alpha1", "v1", conversion="Webhook")})
    none = contents(crds={"ks.example.com": crd("v1alpha1", "v1")})
    (change,) = changes(webhook, none)
    assert (change.kind, change.breaks) == ("conversion", ("v0", "v1"))
    (change,) = changes(none, webhook)
    assert (change.kind, change.breaks) == ("conversion", ())
    assert texts(contents(), none) == ["crd: ks.example.com is new"]
    assert texts(none, contents()) == [
        "crd: ks.example.com is no longer part of the bundle: it stays in the cluster, and nobody serves it"
    ]


def test_the_same_bundle_changes_nothing() -> None:
    same = contents(crds={"ks.example.com": crd("v1")}, install=rules(rule(["get"], ["pods"])))
    assert changes(same, same) == []
