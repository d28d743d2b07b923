"""`hdinfra site` edits a spec as a careful person would, and writes nothing that could not be planned."""

import copy
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.spec import Mode
from hdinfra.model.yaml_text import read_mapping
from hdinfra.operate import cli
from hdinfra.operate.errors import SpecEditError
from hdinfra.operate.site_edit import Edit, NewSite, add_site, origin_of, remove_site, set_mode

COMMENTED = """\
# The zone of a person who cares.
zone:   local   # three spaces, kept
area: "lab"
instances:
    - name: 'web'    # quoted
      tenants:
      # acme pays
      - name: acme
        sites:
        # the shop
        - host: shop.acme.test   # busy
          mode: "MITIGATION"
          origins:
            - {lab: acme-shop}
        - { host: blog.acme.test,  origins: [ {lab: acme-shop} ] }  # quiet

      # globex too
      - {name: globex, sites: [
          {host: a.globex.test, origins: [{lab: b}]},  # first
          {host: b.globex.test, mode: RECORD, origins: [{lab: b}]}  # second
        ]}
      - name: empty
      - {name: flat}
      - name: bare
        sites:   # none yet
# The edge stands apart.
edge: {places: []}
"""
SHOP = {"host": "new.acme.test", "mode": "RECORD", "origins": [{"lab": "acme-shop"}]}


def new_site(tenant: str, **changes: Any) -> NewSite:
    """An order for new.acme.test."""
    return NewSite("new.acme.test", tenant, ({"lab": "acme-shop"},), mode=Mode.RECORD, **changes)


def data(text: str) -> dict[str, Any]:
    """The spec as `hdinfra plan` reads it."""
    return read_mapping(text, "test")


def sites_of(spec: dict[str, Any], tenant: str) -> list[dict[str, Any]]:
    """One tenant's sites."""
    found = next(one for one in spec["instances"][0]["tenants"] if one["name"] == tenant)
    if found.get("sites") is None:
        found["sites"] = []
    sites: list[dict[str, Any]] = found["sites"]
    return sites


def lines_lost(before: str, after: str) -> list[str]:
    """Lines of `before` that `after` does not have at all."""
    kept = after.splitlines()
    return [line for line in before.splitlines() if line not in kept]


@pytest.mark.parametrize("tenant", ["acme", "globex", "empty", "flat", "bare"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_site_is_added_in_every_style_and_all_else_stays(tenant: str, newline: str) -> None:
    before = COMMENTED.replace("\n", newline)
    after = add_site(new_site(tenant))(before)
    wanted = data(before)
    sites_of(wanted, tenant).append(SHOP)
    assert data(after) == wanted
    assert len(lines_lost(before, after)) <= 1
    assert all(comment in after for comment in _comments(before))
    assert after.count("\n") == after.count(newline)


def test_a_new_site_stands_behind_its_neighbours_and_before_the_next_part() -> None:
    after = add_site(new_site("acme"))(COMMENTED)
    assert lines_lost(COMMENTED, after) == []
    above, _, below = after.partition("        - {host: new.acme.test, mode: RECORD, origins: [{lab: acme-shop}]}\n")
    assert above.endswith("# quiet\n")
    assert below.startswith("\n      # globex too")


def test_a_new_tenant_is_added_with_its_site() -> None:
    after = add_site(new_site("initech"))(COMMENTED)
    assert lines_lost(COMMENTED, after) == []
    assert data(after)["instances"][0]["tenants"][-1] == {"name": "initech", "sites": [SHOP]}
    assert after.index("initech") < after.index("# The edge stands apart.")


def test_what_stands_behind_a_removed_block_stays() -> None:
    text = COMMENTED.replace("        - { host: blog.acme.test,  origins: [ {lab: acme-shop} ] }  # quiet\n", "")
    after = remove_site("shop.acme.test")(text)
    assert "        # the shop\n\n      # globex too\n" in after
    assert "        sites: []\n" in after


@pytest.mark.parametrize("name", ["on", "no", "null", "12e3", "1_0", "true", "y", "~"])
def test_a_name_that_yaml_reads_otherwise_is_quoted(name: str) -> None:
    after = add_site(new_site(name))(COMMENTED)
    assert data(after)["instances"][0]["tenants"][-1]["name"] == name


@pytest.mark.parametrize("host", ["shop.acme.test", "blog.acme.test", "a.globex.test", "b.globex.test"])
def test_a_site_is_removed_and_all_else_stays(host: str) -> None:
    after = remove_site(host)(COMMENTED)
    wanted = data(COMMENTED)
    tenant = "acme" if "acme" in host else "globex"
    found = sites_of(wanted, tenant)
    found[:] = [site for site in found if site["host"] != host]
    assert data(after) == wanted
    gone = [*(line for line in COMMENTED.splitlines() if host in line), "mode:", "origins:", "- {lab:", "sites: ["]
    assert all(any(part in line for part in gone) for line in lines_lost(COMMENTED, after))
    assert "# The edge stands apart." in after


@pytest.mark.parametrize("tenant", ["acme", "globex"])
def test_the_last_site_leaves_an_empty_list(tenant: str) -> None:
    text = COMMENTED
    for site in sites_of(data(COMMENTED), tenant):
        text = remove_site(site["host"])(text)
    assert sites_of(data(text), tenant) == []
    assert sites_of(data(add_site(new_site(tenant))(text)), tenant) == [SHOP]


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("shop.acme.test", '          mode: "BYPASS"'),
        (
            "blog.acme.test",
            "        - { host: blog.acme.test, mode: BYPASS,  origins: [ {lab: acme-shop} ] }  # quiet",
        ),
        ("b.globex.test", "          {host: b.globex.test, mode: BYPASS, origins: [{lab: b}]}  # second"),
    ],
)
def test_a_mode_is_set_in_its_place_and_its_quotes(host: str, line: str) -> None:
    after = set_mode(host, Mode.BYPASS)(COMMENTED)
    assert len(lines_lost(COMMENTED, after)) == 1
    assert line in after.splitlines()


def test_a_mode_that_a_block_has_not_yet_comes_behind_its_host() -> None:
    text = COMMENTED.replace('          mode: "MITIGATION"\n', "")
    assert set_mode("shop.acme.test", Mode.BYPASS)(text) == text.replace("# busy\n", "# busy\n          mode: BYPASS\n")


hosts = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}\.[a-z]{2,6}", fullmatch=True), min_size=1, max_size=6, unique=True)


@given(hosts, st.booleans(), st.data())
def test_whatever_is_added_and_removed_reads_as_if_the_data_were_edited(
    names: list[str], flow: bool, draw: st.DataObject
) -> None:
    spec: dict[str, Any] = {"zone": "z", "instances": [{"name": "web", "tenants": [{"name": "t"}]}], "edge": {}}
    text = "# top\n" + yaml.safe_dump(spec, default_flow_style=flow, sort_keys=False) + "# end\n"
    spec["instances"][0]["tenants"][0]["sites"] = []
    sites = spec["instances"][0]["tenants"][0]["sites"]
    for name in names:
        text = add_site(NewSite(name, "t", ({"address": "192.0.2.1", "port": 80},)))(text)
        sites.append({"host": name, "origins": [{"address": "192.0.2.1", "port": 80}]})
    for name in draw.draw(st.permutations(names)):
        before = copy.deepcopy(sites)
        assert data(text)["instances"][0]["tenants"][0]["sites"] == before
        text = set_mode(name, Mode.BYPASS)(text)
        site = next(site for site in sites if site["host"] == name)
        site["mode"] = "BYPASS"
        assert data(text) == spec
        text = remove_site(name)(text)
        sites.remove(site)
    assert data(text) == spec
    assert text.startswith("# top\n")
    assert "# end" in text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("192.0.2.10", {"address": "192.0.2.10"}),
        ("192.0.2.10:8080", {"address": "192.0.2.10", "port": 8080}),
        ("2001:db8::10", {"address": "2001:db8::10"}),
        ("[2001:db8::10]", {"address": "2001:db8::10"}),
        ("[2001:db8::10]:8080", {"address": "2001:db8::10", "port": 8080}),
        ("lab:acme-shop", {"lab": "acme-shop"}),
    ],
)
def test_an_origin_is_read_as_it_is_meant_and_written_as_it_is_read(written: str, meant: dict[str, Any]) -> None:
    assert origin_of(written) == meant
    text = add_site(NewSite("x.test", "acme", (origin_of(written),)))(COMMENTED)
    assert sites_of(data(text), "acme")[-1]["origins"] == [meant]


@pytest.mark.parametrize(
    "wrong", ["", "shop", "192.0.2.10:x", "192.0.2.300", "[2001:db8::10", "192.0.2.10:", "http://x"]
)
def test_what_is_no_origin_is_told_with_examples(wrong: str) -> None:
    with pytest.raises(SpecEditError) as told:
        origin_of(wrong)
    assert "lab:NAME" in told.value.retry


@pytest.mark.parametrize(
    ("edit", "hint"),
    [
        (add_site(new_site("acme", instance="nowhere")), "--instance with one of: web"),
        (remove_site("gone.acme.test"), "shop.acme.test"),
        (set_mode("gone.acme.test", Mode.BYPASS), "a.globex.test"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(edit: Edit, hint: str) -> None:
    with pytest.raises(SpecEditError) as told:
        edit(COMMENTED)
    assert hint in told.value.retry


def test_of_two_instances_one_must_be_named() -> None:
    text = "instances:\n  - name: a\n  - name: b\n"
    with pytest.raises(SpecEditError, match="not clear") as told:
        add_site(new_site("acme"))(text)
    assert "a, b" in told.value.retry
    assert data(add_site(new_site("acme", instance="b"))(text))["instances"][1]["tenants"][0]["sites"] == [SHOP]


def _comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def spec_of(project: Path) -> str:
    """The spec's text."""
    return (project / "stacks" / "local.yaml").read_text()


ADD = ["site", "add", "new.acme.test", "--tenant", "acme", "--origin", "lab:acme-shop", "--no-up"]


def test_the_command_writes_the_spec_and_says_what_carries_it_out(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = spec_of(project)
    assert cli.run([*ADD, "--mode", "RECORD"]) == 0
    told = capsys.readouterr()
    assert (told.out, "hdinfra up --stack local" in told.err) == ("", True)
    assert lines_lost(before, spec_of(project)) == []
    assert cli.run(["site", "mode", "new.acme.test", "MITIGATION", "--no-up"]) == 0
    assert cli.run(["site", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["sites"]
    assert {site["host"]: site["mode"] for site in listed}["new.acme.test"] == "MITIGATION"
    assert cli.run(["site", "remove", "new.acme.test", "--no-up"]) == 0
    assert spec_of(project) == before


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ([*ADD[:2], "shop.acme.test", *ADD[3:]], "site.duplicate-host"),
        ([*ADD[:6], "lab:nowhere", "--no-up"], "site.origin-unknown"),
        ([*ADD[:6], "127.0.0.1", "--no-up"], "site.origin-address"),
        ([*ADD[:2], "x_y.acme.test", *ADD[3:]], "spec.type"),
        ([*ADD[:2], "x.acme.test\n- y", *ADD[3:]], "spec.type"),
        ([*ADD[:4], "Acme Inc", *ADD[5:]], "spec.type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_site_that_cannot_be_had_is_refused_and_the_file_stays(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], rule: str
) -> None:
    before = spec_of(project)
    assert cli.run(arguments) == 2
    told = capsys.readouterr().err
    assert rule in told
    assert "fix:" in told
    assert spec_of(project) == before
    assert [path.name for path in (project / "stacks").iterdir()] == ["local.yaml"]


def test_an_unknown_host_ends_with_two_and_names_those_there_are(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = spec_of(project)
    assert cli.run(["site", "remove", "gone.acme.test", "--no-up"]) == 2
    assert "blog.globex.test" in capsys.readouterr().err
    assert spec_of(project) == before


def test_a_full_disk_leaves_the_spec_whole_and_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = spec_of(project)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert cli.run(ADD) == 1
    assert "No space left" in capsys.readouterr().err
    assert spec_of(project) == before


def test_a_link_and_the_files_mode_are_kept(project: Path) -> None:
    link, real = project / "stacks" / "local.yaml", project / "elsewhere.yaml"
    link.rename(real)
    real.chmod(0o640)
    link.symlink_to(real)
    assert cli.run(ADD) == 0
    assert link.is_symlink()
    assert "new.acme.test" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.usefixtures("project")
def test_saying_what_is_so_already_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["site", "mode", "shop.acme.test", "MITIGATION", "--no-up"]) == 0
    assert "says so already" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_the_list_for_people_has_every_site(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["site", "list"]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in ("shop.acme.test", "globex", "MITIGATION", "lab:globex-blog"))
