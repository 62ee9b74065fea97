from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from balise.model import image_archive
from balise.model.errors import InputError
from balise.model.image_archive import is_image, unpack

Entry = tuple[str, bytes | tarfile.TarInfo]
BUNDLE: list[Entry] = [("./manifests/csv.yaml", b"kind: X"), ("metadata/annotations.yaml", b"a: b"), ("etc/x", b"y")]


def _tar(entries: list[Entry]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in entries:
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Entry:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return name, member


def _layout(*layers: list[Entry] | bytes, zipped: bool = True) -> list[Entry]:
    """The files of an OCI layout."""
    files: list[Entry] = [("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')]

    def blob(data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        files.append((f"blobs/sha256/{digest}", data))
        return f"sha256:{digest}"

    packed = [layer if isinstance(layer, bytes) else _tar(layer) for layer in layers]
    digests = [blob(gzip.compress(layer) if zipped else layer) for layer in packed]
    manifest = blob(json.dumps({"layers": [{"digest": digest} for digest in digests]}).encode())
    arm = {"digest": f"sha256:{'0' * 64}", "platform": {"os": "linux", "architecture": "arm64"}}
    amd = {"digest": manifest, "platform": {"os": "linux", "architecture": "amd64"}}
    platforms = blob(json.dumps({"manifests": [arm, amd]}).encode())
    files.append(("index.json", json.dumps({"manifests": [{"digest": platforms}]}).encode()))
    return files


def _docker(layer: list[Entry]) -> list[Entry]:
    manifest = json.dumps([{"Config": "c.json", "Layers": ["a/layer.tar"]}]).encode()
    return [("b/layer.tar", _tar(layer)), _link("a/layer.tar", "../b/layer.tar"), ("manifest.json", manifest)]


def _archive(tmp_path: Path, entries: list[Entry], *, zipped: bool = False) -> Path:
    path = tmp_path / "image.tar"
    data = _tar(entries)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


WANTED = ["manifests/csv.yaml", "metadata/annotations.yaml"]


@pytest.mark.parametrize("zipped", [True, False])
def test_unpacks_what_belongs_to_a_bundle(tmp_path: Path, zipped: bool) -> None:
    for number, entries in enumerate((_layout(BUNDLE, zipped=zipped), _docker(BUNDLE))):
        path, folder = _archive(tmp_path, entries, zipped=zipped), tmp_path / str(number)
        assert is_image(path)
        unpack(path, folder)
        assert _files(folder) == WANTED
        assert (folder / "manifests" / "csv.yaml").read_bytes() == b"kind: X"


def test_unpacks_a_layout_on_disk(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    with tarfile.open(fileobj=io.BytesIO(_tar(_layout(BUNDLE)))) as tar:
        tar.extractall(layout, filter="data")
    assert is_image(layout)
    unpack(layout, tmp_path / "out")
    assert _files(tmp_path / "out") == WANTED


def test_later_layers_replace_and_remove(tmp_path: Path) -> None:
    later: list[Entry] = [("manifests/csv.yaml", b"kind: Y"), ("metadata/.wh.annotations.yaml", b"")]
    unpack(_archive(tmp_path, _layout(BUNDLE, later)), tmp_path / "out")
    assert _files(tmp_path / "out") == ["manifests/csv.yaml"]
    assert (tmp_path / "out" / "manifests" / "csv.yaml").read_bytes() == b"kind: Y"
    opaque: list[Entry] = [("manifests/.wh..wh..opq", b""), ("manifests/new.yaml", b"")]
    unpack(_archive(tmp_path, _layout(BUNDLE, opaque)), tmp_path / "other")
    assert _files(tmp_path / "other") == ["manifests/new.yaml", "metadata/annotations.yaml"]


def _zeros(size: int) -> bytes:
    member = tarfile.TarInfo("manifests/zeros")
    member.size = size
    return member.tobuf() + bytes(size)


def _huge_header() -> bytes:
    member = tarfile.TarInfo("header")
    member.type, member.size = tarfile.XHDTYPE, 2**40
    return member.tobuf(format=tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        ([("manifests/../../escape", b"")], "leads out"),
        ([("../escape", b"")], "leads out"),
        ([_link("manifests/csv.yaml", "/etc/passwd")], "a link or a device"),
        ([_link("manifests/csv.yaml", "metadata/x", tarfile.LNKTYPE)], "a link or a device"),
        ([_link("manifests/csv.yaml", "", tarfile.CHRTYPE)], "a link or a device"),
        ([_link("manifests", "/tmp"), ("manifests/csv.yaml", b"")], "a link or a device"),
        ([("etc/x", b"")], "without a folder manifests/"),
        (_zeros(2**20 + 1), "bytes of manifests"),
        (_huge_header(), "has a header of"),
        ([(f"etc/{number}", b"") for number in range(101)], "more than 100 files"),
        (b"not a tar" * 100, "is damaged"),
    ],
)
def test_refuses_what_is_unsafe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: list[Entry] | bytes, word: str
) -> None:
    monkeypatch.setattr(image_archive, "_MOST_ENTRIES", 100)
    monkeypatch.setattr(image_archive, "_MOST_WRITTEN", 2**20)
    with pytest.raises(InputError, match=word):
        unpack(_archive(tmp_path, _layout(layer)), tmp_path / "out")
    assert not (tmp_path / "escape").exists()
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


def test_refuses_a_bomb_in_what_nobody_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_archive, "_MOST_READ", 2**24)
    member = tarfile.TarInfo("etc/zeros")
    member.size = 40 * 2**20
    packer = io.BytesIO()
    with gzip.GzipFile(fileobj=packer, mode="wb", compresslevel=1) as file:
        file.write(member.tobuf())
        for _ in range(40):
            file.write(bytes(2**20))
    files = _layout([("manifests/x", b"")])
    digest = hashlib.sha256(packer.getvalue()).hexdigest()
    manifest = json.dumps({"layers": [{"digest": f"sha256:{digest}"}]}).encode()
    name = hashlib.sha256(manifest).hexdigest()
    files = [each for each in files if each[0] != "index.json"]
    files += [(f"blobs/sha256/{digest}", packer.getvalue()), (f"blobs/sha256/{name}", manifest)]
    files.append(("index.json", json.dumps({"manifests": [{"digest": f"sha256:{name}"}]}).encode()))
    with pytest.raises(InputError, match="unpacks to more than"):
        unpack(_archive(tmp_path, files), tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ([], "no OCI layout"),
        ([("index.json", b"{")], "not JSON"),
        ([("index.json", b"[]")], "without manifests"),
        ([("index.json", b'{"manifests": [{"digest": "sha256:../../x"}]}')], "no sha256 digest"),
        ([("index.json", b" " * (5 * 2**20))], "more than"),
        ([("manifest.json", b"[{}]")], "without Layers"),
        ([("manifest.json", b'[{"Layers": ["x"]}]')], "lacks its layer"),
        ([("manifest.json", b'[{"Layers": ["a"]}]'), _link("a", "a")], "lacks its layer"),
    ],
)
def test_refuses_what_is_no_image(tmp_path: Path, files: list[Entry], word: str) -> None:
    with pytest.raises(InputError, match=word):
        unpack(_archive(tmp_path, files), tmp_path / "out")


def test_refuses_a_layer_that_was_tampered_with(tmp_path: Path) -> None:
    files = [(name, data + b"\0" if name.startswith("blobs") and data[:2] == b"\x1f\x8b" else data)
             for name, data in _layout(BUNDLE) if isinstance(data, bytes)]  # fmt: skip
    with pytest.raises(InputError, match="not what its digest says"):
        unpack(_archive(tmp_path, list(files)), tmp_path / "out")


def test_refuses_links_out_of_a_layout(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "oci-layout").write_text("{}")
    (tmp_path / "secret").write_text('{"manifests": []}')
    (layout / "index.json").symlink_to("../secret")
    with pytest.raises(InputError, match="a link out of its folder"):
        unpack(layout, tmp_path / "out")


def test_refuses_zstd(tmp_path: Path) -> None:
    manifest = json.dumps({"layers": [{"digest": "x", "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd"}]})
    name = hashlib.sha256(manifest.encode()).hexdigest()
    index = json.dumps({"manifests": [{"digest": f"sha256:{name}"}]}).encode()
    with pytest.raises(InputError, match="zstd"):
        unpack(
            _archive(tmp_path, [("index.json", index), (f"blobs/sha256/{name}", manifest.encode())]), tmp_path / "out"
        )
