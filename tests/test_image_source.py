"""Image sources: paths inside the catalogue's folder only, URLs, data URIs and bytes."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from encoders.images.source import ImagePlaces, image_ref, read_image, url_of
from vitrine.errors import ImageError


def no_fetch(url: str) -> bytes:
    raise AssertionError(f"{url} was asked for")


def read(source: str | bytes, folder: Path | None) -> bytes:
    return read_image(source, ImagePlaces(folder), no_fetch).data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "a.png").write_bytes(b"picture")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


def test_files_in_the_folder_are_read(folder: Path) -> None:
    assert read("pictures/a.png", folder) == b"picture"
    assert read("./pictures/../pictures/a.png", folder) == b"picture"
    assert read(str(folder / "pictures" / "a.png"), folder) == b"picture"
    (folder / "link.png").symlink_to("pictures/a.png")
    assert read("link.png", folder) == b"picture"


def test_spellings_of_other_programs_name_the_same_file(folder: Path) -> None:
    (folder / "my picture.png").write_bytes(b"mine")
    assert read("/pictures/a.png", folder) == b"picture"  # from the root of the web site
    assert read("pictures\\a.png", folder) == b"picture"
    assert read("/my%20picture.png", folder) == b"mine"


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https://cdn.example.com/a b.jpg", "https://cdn.example.com/a b.jpg"),
        ("//cdn.example.com/a.jpg", "https://cdn.example.com/a.jpg"),
        ("cdn.example.com/media/a.jpg", "https://cdn.example.com/media/a.jpg"),
        ("cdn.example.com:8443/a.jpg?w=200", "https://cdn.example.com:8443/a.jpg?w=200"),
        ("bilder.münchen.example/ä.jpg", "https://bilder.münchen.example/ä.jpg"),
        ("/media/a.jpg", "https://shop.example/img/media/a.jpg"),
        ("media/a.jpg", "https://shop.example/img/media/a.jpg"),
        ("a.jpg", "https://shop.example/img/a.jpg"),
        ("img.2/a.jpg", "https://shop.example/img/img.2/a.jpg"),
        ("pictures/a.png", None),
        ("/pictures/a.png", None),
        ("../secret.png", None),
        ("ftp://cdn.example.com/a.jpg", None),
        ("data:image/png;base64,AAAA", None),
        (b"picture", None),
    ],
)
def test_an_address_is_a_file_where_there_is_one_and_else_a_url(
    source: str | bytes, url: str | None, folder: Path
) -> None:
    for base in ("https://shop.example/img", "https://shop.example/img/"):
        assert url_of(source, ImagePlaces(folder, base)) == url


def test_without_the_shops_address_a_path_of_a_web_site_says_how_to_name_it(folder: Path) -> None:
    for path in ("/media/a.jpg", "media/a.jpg"):
        assert url_of(path, ImagePlaces(folder)) is None
        with pytest.raises(ImageError, match=r"no such file .*name the shop's address with --image-base URL"):
            read(path, folder)


def test_an_address_that_was_completed_is_named_in_the_error(folder: Path) -> None:
    def fetch(url: str) -> bytes:
        raise ImageError("the name is not known")

    with pytest.raises(
        ImageError, match=r"^there is no such file, and https://c.example/a.jpg gives none: the name"
    ):
        read_image("c.example/a.jpg", ImagePlaces(folder), fetch)
    with pytest.raises(ImageError, match=r"^https://c.example/a.jpg gives none: the name"):
        read_image("//c.example/a.jpg", ImagePlaces(folder), fetch)
    with pytest.raises(ImageError, match=r"^the name is not known"):
        read_image("http://c.example/a.jpg", ImagePlaces(folder), fetch)


def test_nothing_outside_the_folder_is_read(folder: Path) -> None:
    (folder / "way out").symlink_to(folder.parent)
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    outside = [
        "../secret.png",
        str(folder.parent / "secret.png"),
        "way out/secret.png",
        "link.png",
        "/etc/passwd",
    ]
    for path in outside:
        with pytest.raises(ImageError, match="leaves the catalogue's folder"):
            read(path, folder)


def test_sources_that_cannot_be_read_are_errors_with_a_reason(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "empty.png").touch()
    (folder / "loop.png").symlink_to("loop.png")
    for path, reason in [
        ("none.png", "no such file"),
        ("pictures", "not a file"),
        ("pipe.png", "not a file"),
        ("empty.png", "the file is empty"),
        ("loop.png", "cannot be read"),
        ("a\0b.png", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        ("file:///etc/passwd", "file URLs are not read"),
        ("ftp://host/a.png", "ftp URLs are not read"),
    ]:
        with pytest.raises(ImageError, match=reason):
            read(path, folder)
    with pytest.raises(ImageError, match="needs the folder"):
        read("a.png", None)


def test_data_uris_hold_the_image_and_are_referenced_by_hash() -> None:
    packed = base64.b64encode(b"\xfb\xff\xfe picture").decode()
    uri = f"data:image/png;base64,{packed}"
    assert read(uri, None) == b"\xfb\xff\xfe picture"
    assert read(uri.replace("+", "-").replace("/", "_").replace("image_png", "image/png").rstrip("="), None)
    assert read("data:,a%20b", None) == b"a b"
    assert image_ref(uri).startswith("data:")
    assert len(image_ref(uri)) < 50
    assert image_ref(b"x" * 1000).startswith("bytes:")
    for broken, reason in [
        ("data:image/png;base64,a!b", "not base64"),
        ("data:image/png", "no comma"),
        ("data:,", "empty"),
    ]:
        with pytest.raises(ImageError, match=reason):
            read(broken, None)


def test_equal_bytes_have_the_same_hash_in_every_source(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"picture")
    hashes = {
        read_image(source, ImagePlaces(folder), lambda url: b"picture").hash
        for source in ("b.png", "pictures/a.png")
    }
    hashes.add(read_image("http://shop/a.png", ImagePlaces(folder), lambda url: b"picture").hash)
    hashes.add(read_image(b"picture", ImagePlaces(), no_fetch).hash)
    assert len(hashes) == 1
