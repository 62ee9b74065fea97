"""Random specs of v1alpha1, the simple form, as the API server accepts them."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["edits", "simple_specs"]

Spec = dict[str, Any]

_IMAGES = st.sampled_from(
    [
        "web",
        "web:1.0",
        "registry.example:5000/team/web",
        "registry.example:5000/team/web:v1",
        f"localhost/web@sha256:{'a' * 64}",
        f"registry.example:5000/web:1@sha512:{'b' * 128}",
    ]
)
_TEXTS = st.sampled_from(["", "x", "$(MODE)", "ü\n"])
_FIELDS: dict[str, SearchStrategy[Any]] = {
    "stateful": st.booleans(),
    "replicas": st.integers(1, 4),
    "cpu": st.sampled_from(["100m", 1, "0.5"]),
    "memory": st.sampled_from(["1Gi", "128M", 1024]),
    "ports": st.lists(st.integers(8000, 8005), max_size=4, unique=True),
    "env": st.dictionaries(st.sampled_from(["MODE", "LOG_LEVEL", "a.b", "_x", "NEW"]), _TEXTS, max_size=4),
    "command": st.lists(_TEXTS, max_size=2),
    "args": st.lists(_TEXTS, max_size=2),
    "config": st.fixed_dictionaries(
        {},
        optional={
            "files": st.dictionaries(st.sampled_from(["/a/b", "/etc/app.conf"]), _TEXTS),
            "env": st.dictionaries(st.sampled_from(["MODE", "z"]), _TEXTS),
        },
    ),
    "suspend": st.booleans(),
    "deletionPolicy": st.sampled_from(["Retain", "Delete"]),
}
_AUTOSCALED = st.builds(
    lambda least, more, target: {"replicas": least, "maxReplicas": least + more, "targetCPUPercent": target, "cpu": 1},
    st.integers(1, 3),
    st.integers(0, 3),
    st.sampled_from([50, 70]),
)
_SCALING = ("replicas", "maxReplicas", "targetCPUPercent")


@st.composite
def simple_specs(draw: DrawFn) -> Spec:
    """A whole spec."""
    spec: Spec = {"image": draw(_IMAGES)} | draw(st.fixed_dictionaries({}, optional=_FIELDS))
    return spec | draw(st.one_of(st.just({}), _AUTOSCALED))


@st.composite
def edits(draw: DrawFn, spec: Spec) -> Spec:
    """The spec after somebody changed, added or removed some of its fields."""
    edited = dict(spec)
    for field in draw(st.sets(st.sampled_from(["image", "scaling", *_FIELDS]), min_size=1, max_size=3)):
        if field == "image":
            edited["image"] = draw(_IMAGES)
        elif field == "scaling":
            edited = {name: value for name, value in edited.items() if name not in _SCALING} | draw(_AUTOSCALED)
        elif field == "replicas" or draw(st.booleans()):
            edited[field] = draw(_FIELDS[field])
        else:
            edited.pop(field, None)
    return edited
