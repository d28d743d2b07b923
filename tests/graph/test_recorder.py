"""The public recorder sees the slips that stock mocks let pass. Each test makes one slip."""

import asyncio
import gc

import pulumi
import pytest
from pulumi_aws import Provider, ec2

from hdinfra.plugins.local import resources
from hdinfra.testing import Graph, Recorder, wrong_inputs

NETWORK = "hdlocal:index:Network"


class Box(pulumi.ComponentResource):
    """A component that registers its outputs as often as it is told."""

    def __init__(self, name: str, times: int) -> None:
        super().__init__("test:index:Box", name)
        for _ in range(times):
            self.register_outputs({"name": name})


def network(name: str, opts: pulumi.ResourceOptions | None = None) -> resources.Network:
    return resources.Network(name, ipv4="10.0.0.0/24", ipv6="fd00::/64", opts=opts)


def provider(name: str) -> resources.Provider:
    return resources.Provider(name, namespace="n", project="p", stack="s", region="r")


def test_sees_two_of_one_name(record: Recorder) -> None:
    graph = record(lambda: (network("same"), network("same")))
    assert graph.duplicates() == {"urn:pulumi:stack::project::hdlocal:index:Network::same"}


def test_sees_a_missing_provider_and_names_a_present_one(record: Recorder) -> None:
    def program() -> None:
        network("bare")
        network("told", pulumi.ResourceOptions(provider=provider("mine")))

    graph = record(program)
    assert [resource.name for resource in graph.without_provider()] == ["bare"]
    assert graph.named("told").provider == "mine"


def test_sees_a_forgotten_parent(record: Recorder) -> None:
    def program() -> None:
        box = Box("box", 1)
        network("inside", pulumi.ResourceOptions(parent=box))
        network("outside")

    graph = record(program)
    assert [resource.name for resource in graph.orphans()] == ["outside"]
    assert [resource.name for resource in graph.children(graph.named("box"))] == ["inside"]
    assert graph.parent(graph.named("inside")) == graph.named("box")


def test_sees_outputs_registered_never_or_twice(record: Recorder) -> None:
    graph = record(lambda: [Box(f"box-{times}", times) for times in range(3)])
    assert [resource.name for resource in graph.unfinished()] == ["box-0", "box-2"]
    assert graph.named("box-1").outputs == ({"name": "box-1"},)


def test_sees_what_is_secret(record: Recorder) -> None:
    def program() -> None:
        listed = ["open", pulumi.Output.secret("closed")]
        pulumi.CustomResource(
            "test:index:Thing", "thing", {"listed": listed, "at": {"token": pulumi.Output.secret("t")}}
        )

    thing = record(program).named("thing")
    assert thing.inputs == {"listed": ["open", "closed"], "at": {"token": "t"}}
    assert thing.secrets == {"listed[1]", "at.token"}


def test_sees_dependencies_and_stack_outputs(record: Recorder) -> None:
    def program() -> None:
        first = network("first")
        second = network("second", pulumi.ResourceOptions(depends_on=[first]))
        pulumi.export("native", second.network_name)

    graph = record(program)
    assert graph.named("second").depends_on == {"first"}
    assert graph.outputs == {"native": "recorded-second"}


@pytest.mark.parametrize(
    ("inputs", "slip"),
    [
        ({"ipv4": "10.0.0.0/24"}, "net.ipv6: missing"),
        ({"ipv4": "10.0.0.0/24", "ipv6": "fd00::/64", "ipv5": "x"}, "net.ipv5: unknown"),
        ({"ipv4": 10, "ipv6": "fd00::/64"}, "net.ipv4:  Input should be a valid string"),
    ],
)
def test_sees_inputs_that_the_sdk_does_not_take(record: Recorder, inputs: dict[str, object], slip: str) -> None:
    graph = record(lambda: pulumi.CustomResource(NETWORK, "net", inputs))
    assert wrong_inputs(graph, {NETWORK: resources.Network}) == (slip,)


def test_sees_a_slip_deep_inside(record: Recorder) -> None:
    graph = record(lambda: pulumi.CustomResource("hdlocal:index:Image", "image", {"packages": ["nginx", 7]}))
    (slip,) = wrong_inputs(graph, {"hdlocal:index:Image": resources.Image})
    assert slip.startswith("image.packages: 1 Input should be a valid string")


GROUP = "aws:ec2/securityGroup:SecurityGroup"
TCP = {"protocol": "tcp", "fromPort": 80, "toPort": 80}


@pytest.mark.parametrize("rule", [TCP, {**TCP, "cidrBlocks": ["0.0.0.0/0"]}])
def test_takes_an_object_of_a_generated_sdk(record: Recorder, rule: dict[str, object]) -> None:
    graph = record(lambda: pulumi.CustomResource(GROUP, "group", {"vpcId": "vpc-1", "ingress": [rule]}))
    assert wrong_inputs(graph, {GROUP: ec2.SecurityGroup}) == ()


@pytest.mark.parametrize(
    ("rule", "slip"),
    [
        ({**TCP, "cidr_blocks": ["0.0.0.0/0"]}, "cidr_blocks Extra inputs are not permitted"),
        ({**TCP, "toPort": "80"}, "toPort Input should be a valid integer"),
        ({**TCP, "cidrBlocks": "0.0.0.0/0"}, "cidrBlocks 'str' instances are not allowed as a Sequence value"),
        ({"protocol": "tcp", "fromPort": 80}, "toPort Field required"),
    ],
)
def test_sees_a_slip_inside_such_an_object(record: Recorder, rule: dict[str, object], slip: str) -> None:
    graph = record(lambda: pulumi.CustomResource(GROUP, "group", {"vpcId": "vpc-1", "ingress": [rule]}))
    assert wrong_inputs(graph, {GROUP: ec2.SecurityGroup}) == (f"group.ingress: 0.{slip}",)


def test_reads_what_a_provider_is_told_as_json(record: Recorder) -> None:
    told = {
        "region": "eu-central-1",
        "skipRegionValidation": "true",
        "maxRetries": "many",
        "defaultTags": '{"tag": {}}',
    }
    graph = record(lambda: pulumi.ProviderResource("aws", "aws", told))
    found = wrong_inputs(graph, {"pulumi:providers:aws": Provider})
    assert [one.partition(":")[0] for one in found] == ["aws.defaultTags", "aws.maxRetries"]


def test_runs_are_apart(record: Recorder) -> None:
    assert record(lambda: network("one")).names == {"one"}
    assert record(lambda: network("two")).names == {"two"}
    assert pulumi.runtime.settings.get_root_resource() is None


def test_what_the_program_raises_is_raised_and_the_rest_is_kept(record: Recorder) -> None:
    def program() -> None:
        network("before")
        raise pulumi.RunError("told so")

    with pytest.raises(pulumi.RunError, match="told so"):
        record(program)
    assert record.failed is not None and record.failed.names == {"before"}


def test_an_assertion_inside_apply_is_not_lost(record: Recorder) -> None:
    def program() -> None:
        network("net").network_name.apply(lambda name: pytest.fail(f"saw {name}"))

    with pytest.raises(pytest.fail.Exception, match="saw recorded-net"):
        record(program)


def test_a_program_that_raises_leaves_nothing_running(record: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def never() -> str:
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            ended.append("never")

    def program() -> None:
        pulumi.Output.from_input(never()).apply(lambda _: network("late"))
        network("net").network_name.apply(lambda name: pytest.fail(f"saw {name}"))

    with pytest.raises(pytest.fail.Exception, match="saw recorded-net"):
        record(program)
    assert ended == ["never"]
    gc.collect()
    assert [entry.getMessage() for entry in caplog.records if entry.name == "asyncio"] == []


def test_config_functions_and_log_lines() -> None:
    record = Recorder(config={"p:colour": "red"}, invokes={"test:index:ask": lambda args: {"answer": args["q"]}})

    def program() -> None:
        pulumi.log.info(pulumi.Config("p").require("colour"))
        pulumi.export("answer", pulumi.runtime.invoke("test:index:ask", {"q": "why"}).value["answer"])

    graph = record(program)
    assert (graph.messages, graph.outputs) == (("red",), {"answer": "why"})
    with pytest.raises(Exception, match="no answer was given for `test:index:other`"):
        record(lambda: pulumi.runtime.invoke("test:index:other", {}))


def test_a_name_that_is_not_there_is_an_error(record: Recorder) -> None:
    graph: Graph = record(lambda: network("net"))
    with pytest.raises(LookupError, match="0 resources are named `nte`"):
        graph.named("nte")
