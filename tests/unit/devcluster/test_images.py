import hashlib
import json
import tarfile
from pathlib import Path

from devcluster.images import Entry, Image, write_image, write_layer

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
