"""What it costs to register a resource of Azure's, without the older names that its SDK brings along and with them."""

import gc
import time
from collections.abc import Callable, Iterator

import pulumi
from pulumi_azure_native import Provider, compute, network, resources, storage

from bench.figure import Figure
from bench.talk import say
from hdinfra.clouds.azure_aliases import as_named_today
from hdinfra.testing import Recorder

Options = Callable[[pulumi.ResourceOptions], pulumi.ResourceOptions]
_EACH = 20
_KINDS = 6
_FEWER = 0.5
"""Half the time is the least for which it is worth having."""


def measure_azure_aliases(pairs: int) -> Iterator[Figure]:
    """Milliseconds of this process for a resource, both ways in turn."""
    gc.freeze()
    found = sorted(((_measured(as_named_today), _measured(_as_it_is)) for _ in range(pairs)), key=lambda p: p[0] / p[1])
    say("azure-aliases: ratios " + ", ".join(f"{ours / theirs:.2f}" for ours, theirs in found))
    ours, theirs = found[len(found) // 2]
    yield Figure("azure-aliases", round(ours, 1), "ms a resource", _FEWER, round(theirs, 1), goal_is_ratio=True)


def _as_it_is(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    return opts


def _measured(named: Options) -> float:
    """Processor time: the clock would tell of whatever else runs here."""
    gc.collect()
    begin = time.process_time()
    graph = Recorder()(lambda: _declare(named))
    taken = time.process_time() - begin
    count = sum(not one.is_provider for one in graph.resources)
    if count != _EACH * _KINDS:
        raise AssertionError(f"{count} resources were registered, and not {_EACH * _KINDS}")
    return 1000 * taken / count


def _declare(named: Options) -> None:
    """What a Machine has, as often as twenty Machines."""
    opts = named(pulumi.ResourceOptions(provider=Provider("provider")))
    for number in range(_EACH):
        group = resources.ResourceGroup(f"{number}-group", opts=opts)
        within = {"resource_group_name": group.name, "opts": opts}
        network.PublicIPAddress(f"{number}-address", public_ip_address_version="IPv4", **within)
        network.NetworkSecurityGroup(f"{number}-firewall", **within)
        face = network.NetworkInterface(f"{number}-interface", **within)
        faces = [{"id": face.id}]
        compute.VirtualMachine(f"{number}-machine", network_profile={"network_interfaces": faces}, **within)
        storage.StorageAccount(f"{number}-store", kind="StorageV2", sku={"name": "Standard_LRS"}, **within)
