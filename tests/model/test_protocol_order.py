"""Orders: what is written is what is read, and nothing torn, foreign or unwritten is ever taken for one."""

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.protocol.installer_image import MANIFEST, Manifest, read_manifest, write_ordered
from hdinfra.protocol.order import FRAME_BYTES, Order, OrderError, framed, order_id, unframed, unpacked, unwritten

SERVER = {"name": "r1", "disks": [{"serial": "S1", "mib": 4096}]}
ORDER = Order(SERVER, {"user-data": b"#cloud-config\n"}, {"/etc/hdinfra/token": (b"t", 0o600)})
paths = st.from_regex(r"(/[a-z0-9@.:_-]{1,20}){1,4}", fullmatch=True).filter(lambda path: "/../" not in f"{path}/")


@settings(max_examples=30, deadline=None)  # frames of 4 MiB
@given(
    st.dictionaries(paths, st.tuples(st.binary(max_size=200), st.sampled_from([0o644, 0o600, 0o755]))),
    st.dictionaries(st.sampled_from(["user-data", "meta-data"]), st.binary(max_size=200)),
    st.booleans(),
)
def test_what_is_read_is_what_was_ordered(
    laid: dict[str, tuple[bytes, int]], seed: dict[str, bytes], wipe: bool
) -> None:
    order = Order(SERVER, seed, laid, wipe)
    assert unpacked(unframed(framed(order.packed()))) == order


def test_the_same_order_has_the_same_bytes() -> None:
    turned = Order(dict(reversed(SERVER.items())), ORDER.seed, ORDER.laid)
    assert ORDER.packed() == turned.packed()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12_000))
def test_half_a_write_is_refused(cut: int) -> None:
    new, old = framed(ORDER.packed()), unwritten()
    torn = new[:cut] + old[cut:]
    if torn != new:
        with pytest.raises(OrderError) as refused:
            unframed(torn)
        assert refused.value.code in {"order.none", "order.torn"}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (unwritten(), "order.none"),
        (b"", "order.torn"),
        (b"\0" * FRAME_BYTES, "order.torn"),
        (framed(ORDER.packed())[:200], "order.torn"),
        (framed(ORDER.packed()).replace(b"cloud", b"clown"), "order.torn"),
    ],
    ids=["unwritten", "empty", "zeros", "short", "changed"],
)
def test_what_is_no_order_is_refused(frame: bytes, code: str) -> None:
    with pytest.raises(OrderError) as refused:
        unframed(frame)
    assert refused.value.code == code


def test_an_order_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OrderError) as refused:
        framed(b"x" * FRAME_BYTES)
    assert refused.value.code == "order.too-long"


@pytest.mark.parametrize("name", ["root/../../etc/shadow", "/etc/shadow"])
def test_nothing_is_laid_outside(name: str) -> None:
    with pytest.raises(OrderError) as refused:
        unpacked(_tar({"order.json": b'{"wipe": false}', "server.json": b"{}", name: b"x"}))
    assert refused.value.code == "order.shape"


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"order.json": b'{"wipe": false}'},
        {"order.json": b"{}", "server.json": b"{}"},
        {"order.json": b'{"wipe": "no"}', "server.json": b"{}"},
        {"order.json": b"[1]", "server.json": b"{}"},
        {"order.json": b'{"wipe": false}', "server.json": b"[]"},
    ],
)
def test_what_is_no_order_inside_its_frame_is_refused(members: dict[str, bytes]) -> None:
    with pytest.raises(OrderError) as refused:
        unpacked(_tar(members))
    assert refused.value.code == "order.shape"


def test_an_image_with_an_order_differs_there_alone_and_is_its_owners(tmp_path: Path) -> None:
    built = _image(tmp_path)
    write_ordered(tmp_path, ORDER.packed(), tmp_path / "r1.iso")
    written = (tmp_path / "r1.iso").read_bytes()
    assert (written[:2048], written[-2048:]) == (built[:2048], built[-2048:])
    assert unframed(written[2048:-2048]) == ORDER.packed()
    assert (tmp_path / "r1.iso").stat().st_mode & 0o777 == 0o600
    assert order_id(ORDER.packed()) == sha256(ORDER.packed()).hexdigest()


def test_a_changed_image_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    _image(tmp_path)
    with (tmp_path / "installer.iso").open("ab") as image:
        image.write(b"more")
    before = set(tmp_path.iterdir())
    with pytest.raises(OrderError) as refused:
        write_ordered(tmp_path, ORDER.packed(), tmp_path / "r1.iso")
    assert (refused.value.code, set(tmp_path.iterdir())) == ("image.changed", before)


def test_a_folder_without_an_image_or_with_another_releases_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, "image.none")
    (tmp_path / MANIFEST).write_text("{}")
    _refused(tmp_path, "image.none")
    _image(tmp_path)
    changed = {**json.loads((tmp_path / MANIFEST).read_text()), "order_bytes": 1024}
    (tmp_path / MANIFEST).write_text(json.dumps(changed))
    _refused(tmp_path, "image.release")


def _refused(folder: Path, code: str) -> None:
    with pytest.raises(OrderError) as refused:
        read_manifest(folder)
    assert refused.value.code == code


def _image(folder: Path) -> bytes:
    built = b"a" * 2048 + unwritten() + b"z" * 2048
    (folder / "installer.iso").write_bytes(built)
    manifest = Manifest(
        "installer.iso", sha256(built).hexdigest(), 2048, FRAME_BYTES, "linux-image-amd64", "trixie", ("mdadm",)
    )
    (folder / MANIFEST).write_text(manifest.text())
    return built


def _tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
