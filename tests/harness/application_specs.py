"""Random Applications that keep every rule of their kind: what the API server accepts, in all its variety.

Everything is drawn from few names and small numbers, so that features meet: what matters is which of them are there
together, and what a string holds is the business of other tests.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from timonier.api.application import Application

__all__ = ["application", "applications", "specs"]

Spec = dict[str, Any]

_NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta"])
_KEYS = st.sampled_from(["ALPHA", "beta.conf", "gamma_1", "-d"])
_QUANTITIES = st.sampled_from(["100m", "0.5", "1000m", 1, "2", "1Gi", "1024Mi", "1.5Gi", "1e3", "128M"])
_VARIABLES = st.sampled_from(["MODE", "LOG_LEVEL", "a.b", "_x"])


def _some(required: Spec, optional: Spec) -> SearchStrategy[Spec]:
    return st.fixed_dictionaries(required, optional=optional)


_PORTS = st.lists(
    _some(
        {"name": _NAMES, "containerPort": st.integers(8000, 8003)},
        {"protocol": st.sampled_from(["TCP", "UDP"])},
    ),
    max_size=3,
    unique_by=(lambda port: port["name"], lambda port: port["containerPort"]),
)
_KEY_REF = _some({"name": _NAMES, "key": _KEYS}, {"optional": st.booleans()})
_SOURCES = st.one_of(
    st.fixed_dictionaries({"secretKeyRef": _KEY_REF}),
    st.fixed_dictionaries({"configMapKeyRef": _KEY_REF}),
    st.sampled_from(["metadata.name", "status.podIP", "metadata.labels['app.kubernetes.io/name']"]).map(
        lambda path: {"fieldRef": {"fieldPath": path}}
    ),
    st.sampled_from([("limits.cpu", "1m"), ("requests.memory", "1Mi"), ("limits.memory", "1")]).map(
        lambda pair: {"resourceFieldRef": {"resource": pair[0], "divisor": pair[1]}}
    ),
)
_ENV = st.lists(
    st.one_of(
        _some({"name": _VARIABLES}, {"value": st.sampled_from(["", "x", "$(MODE)"])}),
        st.fixed_dictionaries({"name": _VARIABLES, "valueFrom": _SOURCES}),
    ),
    max_size=3,
    unique_by=lambda variable: variable["name"],
)
_ENV_FROM = st.lists(
    st.builds(
        lambda kind, source, prefix: {kind: source} | prefix,
        st.sampled_from(["secretRef", "configMapRef"]),
        _some({"name": _NAMES}, {"optional": st.booleans()}),
        st.sampled_from([{}, {"prefix": "P_"}]),
    ),
    max_size=2,
)
_SECURITY = _some(
    {},
    {
        "runAsUser": st.integers(0, 2000),
        "runAsGroup": st.integers(0, 2000),
        "readOnlyRootFilesystem": st.booleans(),
        "allowPrivilegeEscalation": st.just(True),
        "privileged": st.booleans(),
        "capabilities": _some({}, {"add": st.just(["NET_BIND_SERVICE"]), "drop": st.sampled_from([["ALL"], []])}),
        "seccompProfile": st.sampled_from(
            [{"type": "Unconfined"}, {"type": "Localhost", "localhostProfile": "profiles/app.json"}]
        ),
    },
)
_POD_SECURITY = _some(
    {},
    {
        "runAsUser": st.integers(0, 2000),
        "fsGroup": st.integers(0, 2000),
        "fsGroupChangePolicy": st.sampled_from(["OnRootMismatch", "Always"]),
        "supplementalGroups": st.lists(st.integers(1, 9), max_size=2),
        "seccompProfile": st.just({"type": "RuntimeDefault"}),
    },
)
_TOLERATIONS = st.lists(
    st.one_of(
        _some({"operator": st.just("Exists")}, {"key": _NAMES, "effect": st.sampled_from(["NoSchedule", "NoExecute"])}),
        st.just({"key": "example.com/pool", "value": "web", "effect": "NoExecute", "tolerationSeconds": 30}),
    ),
    max_size=2,
)
_ITEMS = st.sampled_from([[], [{"key": "a", "path": "x/y"}], [{"key": "b", "path": "z", "mode": 256}]])
_VOLUME_SOURCES = st.one_of(
    st.just({"emptyDir": {}}),
    st.just({"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}),
    _some({"secretName": _NAMES}, {"items": _ITEMS, "optional": st.booleans(), "defaultMode": st.just(288)}).map(
        lambda source: {"secret": source}
    ),
    _some({"name": _NAMES}, {"items": _ITEMS, "optional": st.booleans()}).map(lambda source: {"configMap": source}),
    st.just(
        {
            "projected": {
                "sources": [
                    {"secret": {"name": "alpha"}},
                    {"configMap": {"name": "beta", "items": [{"key": "k", "path": "p"}]}},
                    {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
                ]
            }
        }
    ),
)


def _probe(ports: list[Spec], *, readiness: bool) -> SearchStrategy[Spec]:
    names: list[int | str] = [8080, *(port["name"] for port in ports)]
    port = st.sampled_from(names)
    handler = st.one_of(
        _some({"port": port}, {"path": st.just("/ok"), "scheme": st.just("HTTPS")}).map(lambda get: {"httpGet": get}),
        port.map(lambda number: {"tcpSocket": {"port": number}}),
        st.just({"exec": {"command": ["true"]}}),
        _some({"port": st.just(8080)}, {"service": st.just("shop")}).map(lambda grpc: {"grpc": grpc}),
    )
    numbers = _some(
        {},
        {
            "initialDelaySeconds": st.integers(0, 5),
            "periodSeconds": st.integers(1, 9),
            "timeoutSeconds": st.integers(1, 3),
            "successThreshold": st.integers(1, 3 if readiness else 1),
            "failureThreshold": st.integers(1, 9),
        },
    )
    return st.builds(lambda left, right: left | right, handler, numbers)


@st.composite
def _resources(draw: DrawFn, needed: list[str]) -> Spec:
    names = draw(st.sets(st.sampled_from(["cpu", "memory", "ephemeral-storage"]))) | set(needed)
    requests = {name: draw(_QUANTITIES) for name in sorted(names)}
    limits = {name: 4 if name == "cpu" else "4Ti" for name in names if draw(st.booleans())}
    # Nothing above is more than that, but 1.5Gi of CPU is.
    requests |= {"cpu": draw(st.sampled_from(["100m", "0.5", "1000m", 2]))} if "cpu" in requests else {}
    if draw(st.integers(0, 9)) == 0:
        requests["example.com/gpu"] = limits["example.com/gpu"] = 1
    return {"requests": requests, "limits": limits}


@st.composite
def _mounts(draw: DrawFn, kind: str, *, several: bool) -> Spec:
    """Storage, volumes and files that do not meet in a name or path."""
    paths = draw(st.permutations(["/data", "/etc/app", "/var/lib/app", "/srv/x.d", "/opt/a"]))
    names = draw(st.permutations(["one", "two", "three", "four"]))
    modes = ["ReadWriteMany"] if several and kind == "Deployment" else ["ReadWriteOnce", "ReadWriteMany"]
    count = draw(st.integers(0, 2))
    storage = [
        {
            "name": names[i],
            "size": draw(st.sampled_from(["1Gi", "1024Mi", "5G"])),
            "mountPath": paths[i],
            "accessMode": draw(st.sampled_from(modes)),
        }
        | draw(st.sampled_from([{}, {"storageClassName": "fast"}]))
        for i in range(count)
    ]
    volumes = [
        {"name": names[i], "mountPath": paths[i]}
        | draw(_VOLUME_SOURCES)
        | draw(st.sampled_from([{}, {"readOnly": True}, {"subPath": "a/b"}]))
        for i in range(count, count + draw(st.integers(0, 2)))
    ]
    return {"storage": storage, "volumes": volumes, "files": [f"{paths[4]}/app.conf", "/app.conf"]}


_AUTOSCALING_RULES = _some(
    {},
    {
        "stabilizationWindowSeconds": st.integers(0, 300),
        "selectPolicy": st.sampled_from(["Max", "Min", "Disabled"]),
        "policies": st.just([{"type": "Pods", "value": 2, "periodSeconds": 60}]),
    },
)


@st.composite
def _scaling(draw: DrawFn) -> Spec:
    scaling: Spec = {"replicas": draw(st.integers(0, 4))} if draw(st.booleans()) else {}
    if draw(st.integers(0, 2)) == 0:
        low = draw(st.integers(1, 3))
        metrics = draw(st.lists(st.sampled_from(["cpu", "memory"]), min_size=1, max_size=2, unique=True))
        scaling["autoscaling"] = {
            "minReplicas": low,
            "maxReplicas": low + draw(st.integers(0, 3)),
            "metrics": [{"type": name, "target": 70} for name in metrics],
        } | draw(_some({}, {"behavior": _some({}, {"scaleUp": _AUTOSCALING_RULES, "scaleDown": _AUTOSCALING_RULES})}))
    return scaling


@st.composite
def _network(draw: DrawFn, ports: list[Spec]) -> Spec:
    network: Spec = draw(_some({}, {"networkPolicy": st.sampled_from(["Restricted", "None"])}))
    if draw(st.booleans()):
        network["service"] = draw(
            _some(
                {},
                {
                    "enabled": st.sampled_from([True, False] if ports else [False]),
                    "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
                    "annotations": st.just({"example.com/internal": "true"}),
                },
            )
        )
    if ports and network.get("service", {}).get("enabled", True) and draw(st.booleans()):
        network["ingress"] = draw(
            _some(
                {"host": st.just("web.example.org")},
                {
                    "path": st.sampled_from(["/", "/shop", "/shop/"]),
                    "className": st.just("public"),
                    "tlsSecretName": st.just("web-tls"),
                    "port": st.sampled_from([port["name"] for port in ports]),
                    "annotations": st.just({"example.com/size": "8m"}),
                },
            )
        )
    return network


@st.composite
def specs(draw: DrawFn) -> Spec:
    """The spec of an Application, as a user writes it."""
    kind = draw(st.sampled_from(["Deployment", "StatefulSet"]))
    ports = draw(_PORTS)
    scaling = draw(_scaling())
    several = scaling.get("replicas", 1) > 1 or "autoscaling" in scaling
    mounts = draw(_mounts(kind, several=several))
    measured = [metric["type"] for metric in scaling.get("autoscaling", {}).get("metrics", ())]
    tag = st.sampled_from([{}, {"tag": "1.0"}, {"digest": f"sha256:{'a' * 64}"}, {"tag": "1", "pullPolicy": "Always"}])
    workload = {
        "kind": kind,
        "image": {"repository": "registry.example/web"} | draw(tag),
        **{name: mounts[name] for name in ("storage", "volumes") if mounts[name]},
        **({"ports": ports} if ports else {}),
        **({"resources": draw(_resources(measured))} if measured or draw(st.booleans()) else {}),
        **draw(
            _some(
                {},
                {
                    "command": st.just(["serve"]),
                    "args": st.sampled_from([[], ["--verbose", ""]]),
                    "env": _ENV,
                    "envFrom": _ENV_FROM,
                    "imagePullSecrets": st.just([{"name": "registry"}]),
                    "securityContext": _SECURITY,
                    "podSecurityContext": _POD_SECURITY,
                    "serviceAccountName": _NAMES,
                    "nodeSelector": st.just({"kubernetes.io/os": "linux"}),
                    "tolerations": _TOLERATIONS,
                    "terminationGracePeriodSeconds": st.integers(0, 60),
                    "probes": _some(
                        {},
                        {
                            "liveness": _probe(ports, readiness=False),
                            "readiness": _probe(ports, readiness=True),
                            "startup": _probe(ports, readiness=False),
                        },
                    ),
                },
            )
        ),
    }
    files = st.dictionaries(st.sampled_from(mounts["files"]), st.sampled_from(["", "a=1\n", "b: ü\n"]))
    variables = st.dictionaries(_VARIABLES, st.sampled_from(["", "blue"]))
    return {"workload": workload, **({"scaling": scaling} if scaling else {})} | draw(
        _some(
            {},
            {
                "config": _some({}, {"files": files, "env": variables}),
                "network": _network(ports),
                "adopt": st.booleans(),
                "suspend": st.booleans(),
                "deletionPolicy": st.sampled_from(["Retain", "Delete"]),
            },
        )
    )


def application(spec: Spec | None = None, *, status: Spec | None = None, **metadata: Any) -> Application:
    """The Application web in the namespace shop as the operator reads it; an image is put in where none is stated."""
    spec = dict(spec or {})
    spec["workload"] = {"image": {"repository": "registry.example/web", "tag": "1.0"}} | spec.get("workload", {})
    named = {"name": "web", "namespace": "shop", "uid": "uid-1", "generation": 1} | metadata
    return Application.model_validate({"metadata": named, "spec": spec, "status": status or {}})


def applications() -> SearchStrategy[Application]:
    """Random Applications of the name web in the namespace shop."""
    return specs().map(application)
