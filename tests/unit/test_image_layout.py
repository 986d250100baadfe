"""A saved image as an OCI layout: nothing in it changes, and a damaged one is refused."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest

from sandboxes.containers.images import layout
from sandboxes.containers.images.archive import SavedImage, blob_path
from sandboxes.errors import BadRequest
from sandboxes.model import ImageLayout

RECORDED = Path(__file__).parent / "data/images/docker-20.10.tar"


def image() -> SavedImage:
    return SavedImage(io.BytesIO(RECORDED.read_bytes()))


@pytest.fixture
def saved(tmp_path: Path) -> ImageLayout:
    return layout.save(image(), tmp_path / "layout", "recorded:v1")


def test_the_configuration_is_kept_to_the_byte_and_with_it_the_image_s_id(saved: ImageLayout) -> None:
    config = saved.blobs[1]
    assert config.digest == image().id
    assert (Path(saved.folder) / blob_path(config.digest)).read_bytes() == image().config


def test_a_layer_s_blob_is_named_as_the_configuration_names_the_layer(saved: ImageLayout) -> None:
    assert [blob.digest for blob in saved.blobs[2:]] == image().configuration["rootfs"]["diff_ids"]
    assert {blob.media_type for blob in saved.blobs[2:]} == {"application/vnd.oci.image.layer.v1.tar"}


def test_every_blob_is_named_by_its_content(saved: ImageLayout) -> None:
    files = list((Path(saved.folder) / "blobs/sha256").iterdir())
    assert len(files) == len(saved.blobs) == 6
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in files)


def test_the_documents_are_data(saved: ImageLayout) -> None:
    assert json.loads((Path(saved.folder) / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert saved.index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "recorded:v1"}  # type: ignore[index]
    assert saved.config == image().configuration
    assert layout.read(Path(saved.folder)) == saved


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(BadRequest, match="empty folder"):
        layout.save(image(), tmp_path, "recorded:v1")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("number", range(6))
def test_one_flipped_bit_in_any_blob_is_noticed(saved: ImageLayout, number: int) -> None:
    path = Path(saved.folder) / blob_path(saved.blobs[number].digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadRequest, match="image layout"):
        layout.read(Path(saved.folder))


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"manifests": [{"digest": "sha256:../x"}]}'])
def test_a_layout_without_its_documents_is_none(saved: ImageLayout, name: str, text: str | None) -> None:
    path = Path(saved.folder) / name
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadRequest, match="image layout"):
        layout.read(Path(saved.folder))


def test_a_blob_that_is_missing_is_named(saved: ImageLayout) -> None:
    (Path(saved.folder) / blob_path(saved.blobs[-1].digest)).unlink()
    with pytest.raises(BadRequest, match=saved.blobs[-1].digest[7:]):
        layout.read(Path(saved.folder))
