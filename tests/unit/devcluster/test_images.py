import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from devcluster.errors import DevclusterError
from devcluster.images import Entry, Image, names_in, write_image, write_images, write_layer

ENTRIES = (
    Entry("bin/"),
    Entry("tmp/", mode=0o1777),
    Entry("bin/tool", b"#!", owner=7),
    Entry("bin/alias", link="tool"),
)


def image(folder: Path) -> Path:
    folder.mkdir()
    layer, archive = folder / "layer", folder / "image.tar"
    write_layer(layer, ENTRIES)
    write_image(archive, Image("example.test/x:1", command=["tool"], user="7"), [layer])
    return archive


def test_a_layer_holds_what_it_was_given(tmp_path: Path) -> None:
    write_layer(tmp_path / "layer", ENTRIES)
    with tarfile.open(tmp_path / "layer") as layer:
        assert layer.getnames() == ["bin", "tmp", "bin/tool", "bin/alias"]
        assert layer.getmember("tmp").isdir()
        assert layer.getmember("tmp").mode == 0o1777
        assert layer.getmember("bin/tool").uid == 7
        assert layer.getmember("bin/alias").linkname == "tool"


def test_images_of_one_archive_share_layers(tmp_path: Path) -> None:
    base, top, archive = tmp_path / "base", tmp_path / "top", tmp_path / "images.tar"
    write_layer(base, ENTRIES)
    write_layer(top, [Entry("bin/other", b"#!")])
    one, two = Image("example.test/x:1"), Image("example.test/x:2", environment=["VERSION=2"])
    write_images(archive, [(one, [base]), (two, [base, top])])
    assert names_in(archive) == ["example.test/x:1", "example.test/x:2"]
    with tarfile.open(archive) as content:
        assert sum(name.endswith(".tar") for name in content.getnames()) == 2
        first, second = json.load(content.extractfile("manifest.json") or io.BytesIO())
        assert second["Layers"][:1] == first["Layers"]
        assert json.load(content.extractfile(second["Config"]) or io.BytesIO())["config"]["Env"] == ["VERSION=2"]


def test_an_image_names_its_layers_by_their_digests(tmp_path: Path) -> None:
    with tarfile.open(image(tmp_path / "a")) as archive:
        (manifest,) = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
        configuration = json.loads(archive.extractfile(manifest["Config"]).read())  # type: ignore[union-attr]
        layer = archive.extractfile(manifest["Layers"][0]).read()  # type: ignore[union-attr]
    assert manifest["RepoTags"] == ["example.test/x:1"]
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert configuration["config"]["Cmd"] == ["tool"]
    assert configuration["config"]["User"] == "7"


def test_the_same_files_are_the_same_image(tmp_path: Path) -> None:
    assert image(tmp_path / "a").read_bytes() == image(tmp_path / "b").read_bytes()


def tar(folder: Path, name: str, content: bytes) -> Path:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    with tarfile.open(folder / "archive.tar", "w") as archive:
        archive.addfile(info, io.BytesIO(content))
    return folder / "archive.tar"


def test_an_archive_says_what_it_names(tmp_path: Path) -> None:
    archive = image(tmp_path / "a")
    assert names_in(archive) == ["example.test/x:1"]
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(archive.read_bytes()))
    assert names_in(tmp_path / "x.tar.gz") == ["example.test/x:1"]
    annotations = {"io.containerd.image.name": "example.test/y:2", "org.opencontainers.image.ref.name": "2"}
    index = json.dumps({"manifests": [{"annotations": annotations}, {}]}).encode()
    assert names_in(tar(tmp_path, "./index.json", index)) == ["example.test/y:2"]


@pytest.mark.parametrize(
    ("name", "content"), [("manifest.json", b"{"), ("manifest.json", b"[1]"), ("index.json", b"1"), ("x", b"")]
)
def test_what_holds_no_image_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DevclusterError, match="could not be loaded as an image"):
        names_in(tar(tmp_path, name, content))


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("no image\n" * 1000)
    with pytest.raises(DevclusterError, match="could not be loaded as an image"):
        names_in(tmp_path / "words")
