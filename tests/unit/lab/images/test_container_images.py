"""The registry's container images: reproducible layers, and a program in each image."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from phoenix.lab.images.layers import ImageLayer, _followed
from phoenix.lab.images.oci import STAND_IN_IMAGES, StandInImage, _stand_in_layer
from phoenix.lab.places import CODE

pytestmark = pytest.mark.timeout(30)


def test_layers_are_reproducible() -> None:
    """The same stand-in gives the same layer, so that a client can pin its digest."""
    assert _stand_in_layer(STAND_IN_IMAGES[0]) == _stand_in_layer(STAND_IN_IMAGES[0])


def test_layer_has_its_directories() -> None:
    """A layer contains the parent directories of each file, once."""
    layer = ImageLayer()
    layer.add("a/b/c", b"1", 0o755)
    layer.add("a/b/d", b"2")
    with tarfile.open(fileobj=io.BytesIO(layer.finish())) as archive:
        assert archive.getnames() == ["a", "a/b", "a/b/c", "a/b/d"]
        assert archive.getmember("a/b/c").mode == 0o755


@pytest.mark.parametrize("image", STAND_IN_IMAGES, ids=lambda image: image.repository)
def test_every_image_has_its_program(image: StandInImage) -> None:
    """The module of each image exists, has a `main`, and says in its docstring that it is a stand-in."""
    source = (CODE / "standins" / f"{image.module}.py").read_text()
    assert "Stand-in for" in source
    assert "def main()" in source


@pytest.mark.parametrize("target", ["/lib/x/ld-2.36.so", "../lib/x/ld-2.36.so", "/usr/lib64/again.so"])
def test_links_are_those_of_the_guest_tree(tmp_path: Path, target: str) -> None:
    """A link in the guest tree leads to the guest tree's file, never to this machine's."""
    library, link = tmp_path / "usr/lib/x/ld-2.36.so", tmp_path / "usr/lib64/ld.so"
    for path in (library, link):
        path.parent.mkdir(parents=True)
    library.write_text("the guest's")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "usr/lib64/again.so").symlink_to("/usr/lib/x/ld-2.36.so")
    link.symlink_to(target)
    assert _followed(tmp_path, link).read_text() == "the guest's"
    assert _followed(tmp_path, library) == library
