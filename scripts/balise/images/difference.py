"""How two builds of one image differ: the files to look at when they should not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from balise.images.layout import Entry, Image, entries

__all__ = ["differences", "different_files"]


def differences(first: Image, second: Image) -> Iterator[str]:
    """What differs, in a line each; nothing when the images are the same to a registry. Raises as ``entries`` does."""
    if first.digest == second.digest:
        return
    yield f"digests {first.digest} and {second.digest}"
    names = sorted(first.configuration.keys() | second.configuration.keys())
    for name in names:
        if first.configuration.get(name) != second.configuration.get(name):
            yield f"configuration: {name}"
    if len(first.layers) != len(second.layers):
        yield f"{len(first.layers)} layers and {len(second.layers)}"
    for number, (one, other) in enumerate(zip(first.layers, second.layers, strict=False), 1):
        if one.name != other.name:
            for line in different_files(entries(one), entries(other)):
                yield f"layer {number}: {line}"


def different_files(first: Mapping[str, Entry], second: Mapping[str, Entry]) -> Iterator[str]:
    """Files that are in one of two layers, or not the same in both, with what of them differs; sorted by path."""
    for path in sorted(first.keys() | second.keys()):
        one, other = first.get(path), second.get(path)
        if one is None or other is None:
            yield f"{path}: only in the {'second' if one is None else 'first'}"
        elif one != other:
            fields = [name for name in Entry.__slots__ if getattr(one, name) != getattr(other, name)]
            yield f"{path}: {', '.join(fields)}"
    if list(first) != list(second) and first == second:
        yield "the order of files"
