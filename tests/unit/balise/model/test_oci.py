"""OCI layouts: written reproducibly, read with suspicion."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from balise.model.errors import InputError
from balise.model.oci import Image, images_in, is_layout, read_image, write_image

IMAGE = Image({"b": "2", "a": "1"}, {"configs/app/catalog.yaml": b"x: 1\n", "configs/z": b""})


def test_comes_back_and_is_reproducible(tmp_path: Path) -> None:
    first = write_image(tmp_path / "a", IMAGE, name="v1", platforms=["linux/amd64", "linux/arm64"])
    second = write_image(
        tmp_path / "b", Image(dict(reversed(IMAGE.labels.items())), dict(reversed(IMAGE.files.items()))),
        name="v1", platforms=["linux/amd64", "linux/arm64"],
    )  # fmt: skip
    assert first == second
    assert is_layout(tmp_path / "a")
    assert images_in(tmp_path / "a") == [("v1", first)]
    for reference in ("", "v1", f"x@{first}", "example.org/catalog:v1"):
        assert read_image(tmp_path / "a", reference) == Image(dict(sorted(IMAGE.labels.items())), IMAGE.files)
    with pytest.raises(InputError, match="its images: v1"):
        read_image(tmp_path / "a", "example.org/catalog:v2")


def test_every_platform_has_the_same_files(tmp_path: Path) -> None:
    digest = write_image(tmp_path, IMAGE, name="v1", platforms=["linux/amd64", "linux/s390x"])
    blobs = {path.name: path.read_bytes() for path in (tmp_path / "blobs/sha256").iterdir()}
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())
    index = json.loads(blobs[digest.removeprefix("sha256:")])
    manifests = [json.loads(blobs[each["digest"].removeprefix("sha256:")]) for each in index["manifests"]]
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "s390x"]
    assert manifests[0]["layers"] == manifests[1]["layers"]
    config = json.loads(blobs[manifests[1]["config"]["digest"].removeprefix("sha256:")])
    assert config["architecture"] == "s390x"
    assert config["rootfs"]["diff_ids"] == [manifests[1]["layers"][0]["digest"]]  # not compressed


def layout(folder: Path, *layers: bytes, media_type: str = "application/vnd.oci.image.layer.v1.tar+gzip") -> Path:
    """A layout made by hand, of the form that skopeo writes."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes) -> dict[str, Any]:
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    manifest = {
        "config": add(json.dumps({"config": {"Labels": {"a": "1"}}}).encode()),
        "layers": [{**add(layer), "mediaType": media_type} for layer in layers],
    }
    index = {"manifests": [add(json.dumps(manifest).encode())]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def tar(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def test_layers_cover_and_remove_what_is_below(tmp_path: Path) -> None:
    below = gzip.compress(tar(a=b"1", b=b"1", d__x=b"1", e__x=b"1"))
    above = gzip.compress(tar(**{"a": b"2", ".wh.b": b"", ".wh.d": b"", "e__.wh..wh..opq": b"", "e__y": b"2"}))
    assert read_image(layout(tmp_path, below, above)).files == {"a": b"2", "e/y": b"2"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("manifests/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert read_image(layout(tmp_path, buffer.getvalue())).files == {}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (tar(**{"a__..__..__b": b""}), "leaves the image"),
        (b"\x1f\x8bnot gzip", "no gzip file"),
        (b"not tar" * 200, "no tar archive"),
    ],
)
def test_hostile_layers_are_refused(tmp_path: Path, layer: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_image(layout(tmp_path, layer))


def test_what_does_not_unpack_within_bounds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balise.model.oci.MAX_IMAGE_BYTES", 10_000)
    with pytest.raises(InputError, match="too large"):
        read_image(layout(tmp_path, gzip.compress(tar(a=b"\0" * 100_000))))


def test_blobs_must_be_what_their_digests_say(tmp_path: Path) -> None:
    layout(tmp_path, tar(a=b"1"))
    for path in (tmp_path / "blobs/sha256").iterdir():
        path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match="another content than its digest says"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    "index", ["", "[]", '{"manifests": 5}', '{"manifests": [{"digest": "../../x"}]}', '{"manifests": []}']
)
def test_broken_index_is_refused(tmp_path: Path, index: str) -> None:
    layout(tmp_path)
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(InputError):
        read_image(tmp_path)


def test_zstd_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="zstd"):
        read_image(layout(tmp_path, b"x", media_type="application/vnd.oci.image.layer.v1.tar+zstd"))
