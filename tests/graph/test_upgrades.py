"""Flip every input of every spec, one at a time: nothing that holds state goes, and no service is made anew at once."""

from collections.abc import Callable
from functools import cache

import pulumi

from hdinfra.model.byol import ByolSpec
from hdinfra.model.spec import App, ZoneSpec
from hdinfra.plugins.local import resources
from hdinfra.testing import Graph
from tests.engine.replacements import known_types
from tests.graph import upgrades
from tests.graph.bases import BASES
from tests.graph.flips import FLIPS, NO_OTHER
from tests.graph.preview import Previewer
from tests.graph.upgrades import EXPECTED, Upgrade, reason_of
from tests.graph.walk import fields_of, is_part


@cache
def found(base: str) -> tuple[Upgrade, ...]:
    """What every flip would do to this stack, asked once."""
    return upgrades.upgrades_of(BASES[base])


def fields() -> set[str]:
    """Every input that any spec has."""
    return {
        f"{model.__name__}.{name}"
        for root in (ZoneSpec, ByolSpec)
        for model, name in fields_of(root)
        if not is_part(model, name)
    }


def test_every_input_has_another_legal_value() -> None:
    """A new field of a spec comes here with its flip."""
    assert FLIPS.keys() == fields()
    assert len(App) == 1, "flip InstanceSpec.app and ByolSpec.app"


def test_every_input_is_flipped_somewhere() -> None:
    flipped = {flip.field for base in BASES.values() for flip in base.flips()}
    assert fields() - flipped == NO_OTHER.keys()


class Flips:
    """What is asked of every base; a class each, so that both workers have something to do."""

    base: str

    def test_the_same_spec_changes_nothing(self) -> None:
        assert upgrades.standing_of(self.base).next(BASES[self.base].data)[1] == ()

    def test_every_type_is_in_the_table_of_replacements(self) -> None:
        """What is not there would count as updated."""
        used = {step.type for each in found(self.base) for step in each.steps}
        used |= {resource.type for resource in upgrades.standing_of(self.base).graph.resources if resource.custom}
        assert {type_ for type_ in used if not type_.startswith("pulumi:providers:")} <= known_types()

    def test_no_flip_takes_what_holds_state_or_a_whole_service(self) -> None:
        broken = {each.label: each.breaks for each in found(self.base) if each.breaks}
        assert {label: what for label, what in broken.items() if not reason_of(self.base, label)} == {}

    def test_every_expected_one_is_still_so(self) -> None:
        broken = [each.label for each in found(self.base) if each.breaks]
        expected = EXPECTED[self.base]
        assert [one for one in expected if not any(upgrades.matches(label, one) for label in broken)] == []

    def test_each_flip_does_what_is_recorded(self) -> None:
        """A difference is what users' next preview will show: say it in CHANGELOG.md."""
        recorded = (upgrades.FOLDER / f"{self.base}.json").read_text()
        same = upgrades.recorded(self.base, found(self.base)) == recorded
        assert same, f"run `{upgrades.COMMAND}` and review what changed"


class TestAzure(Flips):
    """Azure, and one operator more."""

    base = "azure"


class TestEurope(Flips):
    """Three clouds."""

    base = "europe"


class TestIbm(Flips):
    """A Cluster and a place without IPv6 among others."""

    base = "ibm"


class TestGoogle(Flips):
    """With Google Cloud."""

    base = "google"


class TestIndia(Flips):
    """stacks/india.yaml: AWS, DigitalOcean and Linode."""

    base = "india"


class TestLocal(Flips):
    """stacks/local.yaml."""

    base = "local"


class TestDns(Flips):
    """The same with name servers."""

    base = "dns"


class TestMesh(Flips):
    """The same with a mesh."""

    base = "mesh"


class TestByol(Flips):
    """One Instance that a customer hosts."""

    base = "byol"


# What the previewer itself has to see; each program stands for a release.


def box(name: str, *, aliases: list[pulumi.Alias] | None = None, child: str = "net", ipv4: str = "10.0.0.0/24") -> None:
    """A component with one network inside."""
    component = pulumi.ComponentResource("test:index:Box", name, None, pulumi.ResourceOptions(aliases=aliases))
    provider = pulumi.ProviderResource("hdlocal", "provider", {})
    opts = pulumi.ResourceOptions(parent=component, provider=provider)
    resources.Network(f"{name}-{child}", ipv4=ipv4, ipv6="fd00::/64", opts=opts)


def steps(before: Callable[[], object], after: Callable[[], object]) -> list[tuple[str, str]]:
    """(deed, name) of the upgrade from one program to the other."""
    previewer = Previewer()
    graph: Graph = previewer(before)
    return [(step.deed, step.name) for step in previewer.steps(after, graph)]


def network(name: str, **options: object) -> Callable[[], object]:
    """One network with an explicit provider."""

    def program() -> None:
        provider = pulumi.ProviderResource("hdlocal", "provider", {})
        opts = pulumi.ResourceOptions(**{"provider": provider, **options})  # type: ignore[arg-type]
        resources.Network(name, ipv4="10.0.0.0/24", ipv6="fd00::/64", opts=opts)

    return program


def test_a_renamed_resource_is_seen_and_an_alias_keeps_it() -> None:
    assert steps(network("old"), network("new")) == [("create", "new"), ("delete", "old")]
    assert steps(network("old"), network("new", aliases=[pulumi.Alias(name="old")])) == []


def test_a_removed_resource_is_seen() -> None:
    assert steps(network("net"), lambda: pulumi.ProviderResource("hdlocal", "provider", {})) == [("delete", "net")]


def test_another_parent_is_seen_and_an_alias_keeps_it() -> None:
    def under(aliases: list[pulumi.Alias] | None) -> None:
        parent = pulumi.ComponentResource("test:index:Box", "box")
        network("net", parent=parent, aliases=aliases)()

    assert steps(network("net"), lambda: under(None)) == [("create", "net"), ("delete", "net")]
    no_parent = pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)
    assert steps(network("net"), lambda: under([no_parent])) == []


def test_another_type_is_seen_and_an_alias_keeps_it() -> None:
    def thing(kind: str, aliases: list[pulumi.Alias] | None = None) -> None:
        provider = pulumi.ProviderResource("test", "provider", {})
        opts = pulumi.ResourceOptions(provider=provider, aliases=aliases)
        pulumi.CustomResource(kind, "thing", {"size": 1}, opts)

    old, new = "test:index:Old", "test:index:New"
    assert steps(lambda: thing(old), lambda: thing(new)) == [("create", "thing"), ("delete", "thing")]
    assert steps(lambda: thing(old), lambda: thing(new, [pulumi.Alias(type_=old)])) == []


def test_a_renamed_component_takes_its_children_along() -> None:
    assert steps(lambda: box("a"), lambda: box("b")) == [("create", "b-net"), ("delete", "a-net")]
    assert steps(lambda: box("a"), lambda: box("b", aliases=[pulumi.Alias(name="a")])) == []


def test_what_a_provider_made_goes_with_it() -> None:
    """With another version a provider stays; what its plugin says is another place makes all anew there."""

    def program(namespace: str) -> Callable[[], object]:
        def declared() -> None:
            provider = resources.Provider("here", namespace=namespace, project="p", stack="s", region="lab-north")
            opts = pulumi.ResourceOptions(provider=provider)
            resources.Network("net", ipv4="10.0.0.0/24", ipv6="fd00::/64", opts=opts)

        return declared

    assert steps(program("one"), program("another")) == [("replace", "here"), ("replace", "net")]
