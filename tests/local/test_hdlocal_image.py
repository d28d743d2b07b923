"""Machine images: one build per content, whoever asks, and clear words when it cannot be."""

import threading

import pytest
from docker.errors import ImageNotFound

from hdinfra.plugins.kind import Call, CancelledError, PluginError
from hdinfra.plugins.local.builder import ensure_image, image_exists
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.limits import ulimits
from hdinfra.plugins.local.recipe import CACHE_LABEL, role_tag, system_tag
from tests.local.hdlocal_fixtures import Driver

PACKAGES = ["tree"]


def test_tag_names_the_content() -> None:
    assert role_tag(["nginx", "haproxy"]) == role_tag(["haproxy", "nginx", "nginx"])
    assert len({role_tag(["nginx"]), role_tag(["haproxy"]), system_tag()}) == 3
    assert role_tag(["systemd"]) == role_tag([]) == system_tag()


@pytest.mark.usefixtures("system_image")
def test_parallel_requests_build_once_and_nothing_but_the_cache_stays(container_engine: Engine) -> None:
    client, tag = container_engine.client, role_tag(PACKAGES)
    if image_exists(container_engine, tag):
        client.images.remove(tag, force=True)
    said: list[str] = []
    made: list[str] = []
    work = [
        threading.Thread(
            target=lambda: made.append(ensure_image(container_engine, PACKAGES, Call(progress=said.append)))
        )
        for _ in range(2)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(timeout=500)
    assert made == [tag, tag]
    assert [line for line in said if tag in line] == [f"building {tag}: installing packages (about half a minute)"]
    assert client.images.get(tag).labels[CACHE_LABEL] == "image"
    assert client.containers.list(all=True, filters={"label": f"{CACHE_LABEL}=build", "ancestor": system_tag()}) == []


@pytest.mark.usefixtures("system_image")
def test_dead_registry_is_one_clear_message(container_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(PluginError, match="Debian's package registry does not answer"):
        ensure_image(container_engine, ["cowsay"], Call())
    assert not image_exists(container_engine, role_tag(["cowsay"]))


@pytest.mark.usefixtures("system_image")
def test_unknown_package_is_named(container_engine: Engine) -> None:
    with pytest.raises(PluginError, match="Unable to locate package no-such-package-of-debian"):
        ensure_image(container_engine, ["no-such-package-of-debian"], Call())


@pytest.mark.usefixtures("system_image")
def test_cancel_ends_a_build_and_leaves_no_container(container_engine: Engine) -> None:
    call = Call(name="image")
    call.cancelled.set()
    with pytest.raises(CancelledError):
        ensure_image(container_engine, ["sl"], call)
    with pytest.raises(ImageNotFound):
        container_engine.client.images.get(role_tag(["sl"]))


def test_image_is_known_in_a_preview_and_kept_when_its_resource_goes(cloud: Driver, system_image: str) -> None:
    inputs: dict[str, list[str]] = {"packages": []}
    assert cloud.preview("Image", "i", inputs)[0]["tag"] == system_image
    resource_id, state, _ = cloud.create("Image", "i", inputs)
    assert (resource_id, state["tag"]) == (system_image, system_image)
    cloud.delete("Image", "i", resource_id, state)
    assert cloud.read("Image", "i", resource_id, state) == state
    assert cloud.diff("Image", state, inputs, {"packages": ["nginx"]}) == (set(), {"packages"}, False)
    assert [path for path, _ in cloud.check("Image", {"packages": ["a; rm -rf /"]})] == ["packages[0]"]


def test_journal_takes_little_of_the_memory_that_holds_it(container_engine: Engine, system_image: str) -> None:
    told = container_engine.client.containers.run(
        system_image,
        ["systemd-analyze", "cat-config", "systemd/journald.conf"],
        environment={"SYSTEMD_COLORS": "0"},
        ulimits=ulimits(container_engine.url),
        remove=True,
    )
    assert {b"SystemMaxUse=16M", b"RuntimeMaxUse=16M"} <= set(told.split())
