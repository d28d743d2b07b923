"""toolchain/replacements: what docs say, what is read by hand, and that nobody is left out."""

import inspect
import json
import tomllib

import pulumi
import pytest

from toolchain import replacements
from toolchain.replacements import Facts, FactsError, Row, extracted, page, rows_of, said, table_json
from toolchain.sdk_docs import class_of, documented


@pulumi.input_type
class DiskArgs:
    def __init__(__self__, *, sealed: pulumi.Input[bool], size_gib: pulumi.Input[int]) -> None: ...

    @property
    @pulumi.getter
    def sealed(self) -> pulumi.Input[bool]:
        """
        Whether it is sealed.
        Changing this
        forces a new resource to be created.
        """
        raise NotImplementedError

    @property
    @pulumi.getter(name="sizeGib")
    def size_gib(self) -> pulumi.Input[int]:
        """How large it is."""
        raise NotImplementedError


@pulumi.input_type
class HouseArgs:
    def __init__(
        __self__, *, root_disks: pulumi.Input[list[pulumi.Input["DiskArgs"]]], tags: pulumi.Input[dict[str, str]]
    ) -> None: ...

    @property
    @pulumi.getter(name="rootDisks")
    def root_disks(self) -> pulumi.Input[list[pulumi.Input["DiskArgs"]]]:
        """Its disks."""
        raise NotImplementedError

    @property
    @pulumi.getter
    def tags(self) -> pulumi.Input[dict[str, str]]:
        """Marks."""
        raise NotImplementedError


class House(pulumi.CustomResource):
    """A class as the SDKs' generator writes them."""


def test_inputs_are_found_with_their_docs_nested_ones_too() -> None:
    assert documented(House) == {
        "rootDisks": "Its disks.",
        "rootDisks.sealed": "Whether it is sealed. Changing this forces a new resource to be created.",
        "rootDisks.sizeGib": "How large it is.",
        "tags": "Marks.",
    }


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("Changing this forces a new resource to be created.", "replace"),
        ("(Forces new resource) The zone.", "replace"),
        ("Not valid with other protocols. Forces replacement if modified.", "replace"),
        ("Disabling it after it has been enabled forces recreation of the instance.", "replace"),
        ("When decreased, this will force a recreation of the resource.", "replace"),
        ("If you do change this, you will be prompted to destroy and recreate the server.", "replace"),
        ("It is discouraged as it will force your instance to be replaced if changes are made.", "replace"),
        ("Updates to this field will trigger a stop/start of the EC2 instance.", "update"),
        ("Allow the object to be deleted (force_destroy).", "unknown"),
        ("Its functionality has been replaced by another.", "unknown"),
        ("", "unknown"),
    ],
)
def test_words_decide(words: str, verdict: str) -> None:
    row = said(f"The first sentence. {words}")
    assert row.verdict == verdict
    assert (row.words in words and row.by == "docs") if verdict != "unknown" else row == Row("unknown")


def test_another_input_may_be_the_switch() -> None:
    docs = documented(class_of("pulumi_aws.ec2.Instance"))["userData"]
    assert (said(docs).verdict, said(docs).switch) == ("update", "userDataReplaceOnChange")


DOCS = {"image": "The image.", "size": "Forces new resource.", "disk": "", "disk.kind": "", "disk.key": ""}


def test_facts_speak_where_docs_are_silent() -> None:
    facts = Facts("House", source="house.go", replace=("image", "disk.key"), update=("disk",))
    assert rows_of(DOCS, facts) == {
        "disk": Row("update", "source", "house.go"),
        "disk.key": Row("replace", "source", "house.go"),
        "image": Row("replace", "source", "house.go"),
        "size": Row("replace", "docs", "Forces new resource."),
    }


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (Facts("House", update=("imgae",)), "House: no such input: imgae"),
        (Facts("House", update=("size",)), "size: the docs say `Forces new resource.`, the facts say update"),
        (Facts("House", update=("image",), replace=("image",)), "both: image"),
        (Facts("House", overrules=("tags",)), "no such input: tags"),
    ],
)
def test_facts_that_do_not_fit_are_refused(facts: Facts, told: str) -> None:
    with pytest.raises(FactsError) as refused:
        rows_of(DOCS, facts)
    assert told in str(refused.value)


def test_a_fact_may_overrule_the_docs_when_it_says_so() -> None:
    rows = rows_of(DOCS, Facts("House", source="house.go", update=("size",), overrules=("size",)))
    assert rows["size"] == Row("update", "source", "house.go")


@pytest.fixture(scope="module")
def table() -> dict[str, replacements.TypeRows]:
    """What the installed SDKs and our plugins say today."""
    return {each.token: each for each in extracted()}


@pytest.mark.parametrize(
    ("token", "path", "verdict"),
    [
        ("aws:ec2/instance:Instance", "ami", "replace"),
        ("aws:ec2/instance:Instance", "tags", "update"),
        ("aws:ec2/instance:Instance", "rootBlockDevice", "update"),
        ("aws:ec2/instance:Instance", "rootBlockDevice.encrypted", "replace"),
        ("aws:ebs/volume:Volume", "size", "update"),
        ("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", "rules", "unknown"),
        ("digitalocean:index/droplet:Droplet", "image", "replace"),
        ("digitalocean:index/droplet:Droplet", "size", "update"),
        ("hcloud:index/server:Server", "location", "replace"),
        ("hcloud:index/server:Server", "serverType", "update"),
        ("hcloud:index/serverNetwork:ServerNetwork", "ip", "replace"),
        ("hdlocal:index:Machine", "description", "replace"),
        ("hdlocal:index:Machine", "memoryMib", "update"),
        ("hdlocal:index:Machine", "userData", "ignore"),
        ("hdpolicy:index:Keys", "zone", "replace"),
    ],
)
def test_known_facts(table: dict[str, replacements.TypeRows], token: str, path: str, verdict: str) -> None:
    assert table[token].rows[path].verdict == verdict


def test_what_holds_state_is_marked(table: dict[str, replacements.TypeRows]) -> None:
    # A server of one's own has its disks in it; those that are hired have volumes.
    own = table["hdmetal:index:Server"]
    stateful = {token.rpartition(":")[2] for token, each in table.items() if each.stateful and each is not own}
    assert own.stateful
    assert stateful >= {"Volume", "Eip", "ReservedIp", "PrimaryIp", "Bucket", "SpacesBucket", "Keys", "Network", "Vpc"}
    assert not stateful & {"Instance", "Droplet", "Server", "Machine"}


def test_every_type_has_every_input_of_its_class(table: dict[str, replacements.TypeRows]) -> None:
    """Asked of the constructors, not of the argument classes that the script reads."""
    facts = replacements.read_facts(tomllib.loads(replacements.FACTS.read_text()))
    assert len(facts) > 50
    for fact in facts:
        resource = class_of(fact.resource)
        taken = inspect.signature(vars(resource)["_internal_init"]).parameters.keys()
        named = {path.replace("_", "").lower() for path in taken - {"__self__", "__props__", "resource_name", "opts"}}
        rows = table[vars(resource)["pulumi_type"]].rows
        assert {path.lower() for path in rows if "." not in path} == named, fact.resource


def test_the_committed_table_and_page_are_those_of_the_sdks(table: dict[str, replacements.TypeRows]) -> None:
    types = list(table.values())
    assert (replacements.ROOT / replacements.TABLE).read_text() == table_json(types)
    assert (replacements.ROOT / replacements.PAGE).read_text() == page(types)


def test_unknown_inputs_are_counted_and_named(table: dict[str, replacements.TypeRows]) -> None:
    written = json.loads((replacements.ROOT / replacements.TABLE).read_text())
    unknown = [
        (token, path)
        for token, entry in written.items()
        for path, row in entry["inputs"].items()
        if row["verdict"] == "unknown"
    ]
    told = page(list(table.values()))
    total = next(line for line in told.splitlines() if line.startswith("| all |"))
    assert total.split("|")[4].strip() == str(len(unknown))
    names = told.partition("## Unknown inputs")[2]
    assert unknown and all(path in names and f"`{token}`" in names for token, path in unknown)
