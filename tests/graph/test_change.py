"""Single inputs over those that are declared, by the SDKs' own types."""

from typing import Any

import pulumi
import pytest
from pulumi_aws import ec2
from pulumi_hcloud import ServerArgs

import hdinfra as hd
from hdinfra.components.change import asked_of, changed

DECLARED = {"ami": "ami-1", "rootBlockDevice": {"volumeSize": 20, "encrypted": True}, "userData": "a"}


def larger(machine: ec2.InstanceArgs) -> None:
    machine.instance_type = "m7g.large"
    machine.root_block_device = ec2.InstanceRootBlockDeviceArgs(volume_size=30, kms_key_id="key")


def test_only_what_is_set_changes() -> None:
    assert changed(DECLARED, asked_of(ec2.InstanceArgs, larger)) == {
        **DECLARED,
        "instanceType": "m7g.large",
        "rootBlockDevice": {"volumeSize": 30, "encrypted": True, "kmsKeyId": "key"},
    }
    assert DECLARED["rootBlockDevice"] == {"volumeSize": 20, "encrypted": True}


def test_what_was_not_declared_is_added() -> None:
    assert changed({}, asked_of(ec2.InstanceArgs, larger))["rootBlockDevice"] == {"volumeSize": 30, "kmsKeyId": "key"}


def test_an_input_that_the_sdk_does_not_know_is_refused() -> None:
    def misspelt(server: Any) -> None:
        server.server_typ = "cx23"

    with pytest.raises(pulumi.RunError, match=r"`ServerArgs` has no input `server_typ`; fix: write `server_type`"):
        asked_of(ServerArgs, misspelt)


def test_it_is_of_the_facade() -> None:
    assert hd.change.__module__ == "hdinfra.components.change"
