"""The image as a BMC reads it: any part of it is that part of the whole, and nobody reads it who was not told where."""

import ssl
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.metal.medium import Medium
from hdinfra.plugins.metal.shelf import Place, Shelf, published
from tests.engine.metal_rig import PACKED, image, told_in

CONTENT, FRAME, OFFSET = b"a" * 40, b"ORDER", 10
WHOLE = b"a" * 10 + FRAME + b"a" * 25


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Medium:
    path = tmp_path_factory.mktemp("small") / "small.iso"
    path.write_bytes(CONTENT)
    return Medium(path, len(CONTENT), OFFSET, FRAME)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 7))
def test_any_part_is_that_part_of_the_whole(small: Medium, start: int, end: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hdinfra.plugins.metal.medium._CHUNK", chunk)
        assert b"".join(small.read(start, end)) == WHOLE[start:end]


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_serves_parts_to_who_knows_where(small: Medium, scheme: str, address: str) -> None:
    shelf, place = Shelf(), Place(address, 0, scheme)
    with shelf.offered(small, place, "srv") as offer:
        context = ssl.create_default_context(cadata=offer.certificate) if offer.certificate else True
        with httpx.Client(verify=context, trust_env=False) as bmc:
            assert bmc.get(offer.url).content == WHOLE
            head = bmc.head(offer.url)
            assert (head.headers["content-length"], head.headers["accept-ranges"]) == ("40", "bytes")
            parts = {"bytes=0-4": (0, 5), "bytes=8-": (8, 40), "bytes=-3": (37, 40), "bytes=38-99": (38, 40)}
            for asked, (start, end) in parts.items():
                answer = bmc.get(offer.url, headers={"Range": asked})
                assert (answer.status_code, answer.content) == (206, WHOLE[start:end])
                assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/40"
            for asked in ("bytes=40-", "bytes=5-4", "bytes=-", "lines=1-2"):
                assert bmc.get(offer.url, headers={"Range": asked}).status_code == 416
            assert bmc.get(offer.url.replace("/srv.iso", "x/srv.iso")).status_code == 404
            assert bmc.get(f"{offer.url.rsplit('/', 2)[0]}/").status_code == 404
    with pytest.raises(httpx.ConnectError), httpx.Client(verify=context, trust_env=False) as bmc:
        bmc.get(offer.url)


def test_images_of_one_place_share_a_port_until_the_last_is_taken_away(small: Medium) -> None:
    shelf, place = Shelf(), Place("127.0.0.1", 0, "http")
    with shelf.offered(small, place, "a") as a:
        with shelf.offered(small, place, "b") as b:
            assert a.url.split("/")[2] == b.url.split("/")[2]
            assert a.url.split("/")[3] != b.url.split("/")[3]
        assert httpx.get(b.url, trust_env=False).status_code == 404
        assert httpx.get(a.url, trust_env=False).content == WHOLE


def test_an_address_of_another_computer_is_refused(small: Medium) -> None:
    offered = Shelf().offered(small, Place("192.0.2.1", 0, "https"), "srv")
    with pytest.raises(PluginError, match=r"cannot be served at 192\.0\.2\.1"), offered:
        pass


def test_a_copy_is_whole_and_goes_when_it_is_done_with(tmp_path: Path) -> None:
    medium, shop = Medium.of(str(image(tmp_path / "image")), PACKED), tmp_path / "shop"
    shop.mkdir()
    with published(medium, shop, "http://media.test/", "srv") as offer:
        (copy,) = shop.iterdir()
        assert offer.url == f"http://media.test/{copy.name}"
        told_in(copy)
    assert list(shop.iterdir()) == []
    with pytest.raises(PluginError, match="cannot be published"), published(medium, tmp_path / "none", "x", "srv"):
        pass
