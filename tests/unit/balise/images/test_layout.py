"""An image's files as a container sees them: later layers cover and delete what earlier ones had."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from balise.images.difference import differences, different_files
from balise.images.layout import Image, entries, files, open_layout
from balise.model.errors import InputError

Files = Mapping[str, bytes | str]
"""Contents of regular files by path; text is where a link leads to, and a path that ends in a slash is a folder."""


def layer(content: Files, *, modified: int = 0, zipped: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in content.items():
            info = tarfile.TarInfo(path)
            info.mtime = modified
            if path.endswith("/"):
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            elif isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue()) if zipped else buffer.getvalue()


def written(folder: Path, layers: Sequence[bytes], **configuration: Any) -> Path:
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    manifest = {
        "schemaVersion": 2,
        "config": blob(json.dumps(configuration).encode()),
        "layers": [blob(each) for each in layers],
    }
    (folder / "index.json").write_text(json.dumps({"manifests": [blob(json.dumps(manifest).encode())]}))
    return folder


def image(folder: Path, *layers: Files, **configuration: Any) -> Image:
    return open_layout(written(folder, [layer(each) for each in layers], **configuration))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"a": b"1"}, {"a": b"2"}], {"a": b"2"}),
        ([{"d/a": b"1", "d/b": b"1"}, {"d/.wh.a": b""}], {"d/b": b"1"}),
        ([{"d/a": b"1", "e/a": b"1"}, {".wh.d": b""}], {"e/a": b"1"}),
        ([{"d/a": b"1", "da": b"1"}, {"d/.wh..wh..opq": b"", "d/b": b"2"}], {"d/b": b"2", "da": b"1"}),
        ([{"a": b"1"}, {".wh.a": b""}, {"a": b"3"}], {"a": b"3"}),
        ([{"a": b"1"}, {"a": "b"}], {}),
        ([{"d/": b"", "d/a": b"1"}, {"d/": b""}], {"d/a": b"1"}),
        ([{"./d/a": b"1"}, {"/d/b": b"2"}], {"d/a": b"1", "d/b": b"2"}),
    ],
)
def test_layers_over_each_other(tmp_path: Path, layers: list[Files], expected: dict[str, bytes]) -> None:
    assert files(image(tmp_path / "image", *layers), lambda _: True) == expected


def test_only_what_is_wanted_and_from_compressed_layers(tmp_path: Path) -> None:
    found = open_layout(written(tmp_path / "image", [layer({"a": b"1", "b": b"2"}, zipped=True)]))
    assert files(found, lambda path: path == "b") == {"b": b"2"}


def test_digest_and_configuration(tmp_path: Path) -> None:
    found = image(tmp_path / "image", {}, created="2026-01-01T00:00:00Z")
    name = found.digest.removeprefix("sha256:")
    assert hashlib.sha256((tmp_path / "image/blobs/sha256" / name).read_bytes()).hexdigest() == name
    assert found.configuration == {"created": "2026-01-01T00:00:00Z"}


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no readable index\.json"):
        open_layout(tmp_path)
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(InputError, match="no object"):
        open_layout(tmp_path)
    (tmp_path / "index.json").write_text('{"manifests": []}')
    with pytest.raises(InputError, match="0 images"):
        open_layout(tmp_path)
    index = hashlib.sha256(b'{"manifests": []}').hexdigest()
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    (tmp_path / "blobs/sha256" / index).write_text('{"manifests": []}')
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [{"digest": f"sha256:{index}"}]}))
    with pytest.raises(InputError, match="an index of images"):
        open_layout(tmp_path)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"\x28\xb5\x2f\xfd", id="another compression"),
        pytest.param(layer({"a": b"1"}, zipped=True)[:30], id="cut off"),
        pytest.param(layer({"a": b"1" * 2000})[:1000], id="cut off in a file"),
    ],
)
def test_a_layer_that_cannot_be_read_is_refused(tmp_path: Path, damaged: bytes) -> None:
    found = open_layout(written(tmp_path / "image", [damaged]))
    with pytest.raises(InputError, match="as a layer"):
        files(found, lambda _: True)


def test_a_hard_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        first, second = tarfile.TarInfo("a"), tarfile.TarInfo("b")
        first.size, second.type, second.linkname = 1, tarfile.LNKTYPE, "a"
        archive.addfile(first, io.BytesIO(b"1"))
        archive.addfile(second)
    found = open_layout(written(tmp_path / "image", [buffer.getvalue()]))
    assert files(found, lambda path: path == "b") == {"b": b"1"}
    with tarfile.open(fileobj=(torn := io.BytesIO()), mode="w") as archive:
        archive.addfile(second)
    with pytest.raises(InputError, match="has a link b to a, which is not there"):
        files(open_layout(written(tmp_path / "torn", [torn.getvalue()])), lambda _: True)


@pytest.mark.parametrize(
    "digest", [None, 7, "sha256:../../index.json", "sha256:/etc/hostname", "md5:" + "0" * 32, "sha256:" + "0" * 63]
)
def test_a_digest_that_is_none_leads_nowhere(tmp_path: Path, digest: Any) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [{"digest": digest}]}))
    with pytest.raises(InputError, match="expected sha256: and 64"):
        open_layout(tmp_path)


def test_a_blob_is_what_its_digest_says(tmp_path: Path) -> None:
    found = image(tmp_path / "image", {"a": b"1"})
    found.layers[0].write_bytes(layer({"a": b"2"}))
    with pytest.raises(InputError, match="whose content is another one"):
        open_layout(tmp_path / "image")
    found.layers[0].unlink()
    with pytest.raises(InputError, match="has no readable blob"):
        open_layout(tmp_path / "image")


def test_the_same_image_has_no_differences(tmp_path: Path) -> None:
    one, other = (image(tmp_path / name, {"a": b"1"}, os="linux") for name in ("one", "other"))
    assert list(differences(one, other)) == []


def test_differences_name_what_to_look_at(tmp_path: Path) -> None:
    base = layer({"base": b""})
    old = layer({"a": b"1", "b": b"1", "gone": b""}, modified=1)
    new = layer({"a": b"2", "b": b"1", "new": b""}, modified=2)
    one = open_layout(written(tmp_path / "one", [base, old], created="1"))
    other = open_layout(written(tmp_path / "other", [base, new, base], created="2"))
    digests, *lines = differences(one, other)
    assert digests == f"digests {one.digest} and {other.digest}"
    assert lines == [
        "configuration: created",
        "2 layers and 3",
        "layer 2: a: modified, content",
        "layer 2: b: modified",
        "layer 2: gone: only in the first",
        "layer 2: new: only in the second",
    ]


def test_the_order_of_files_counts(tmp_path: Path) -> None:
    (first,) = image(tmp_path / "one", {"a": b"", "b": b""}).layers
    (second,) = image(tmp_path / "other", {"b": b"", "a": b""}).layers
    assert list(different_files(entries(first), entries(second))) == ["the order of files"]
