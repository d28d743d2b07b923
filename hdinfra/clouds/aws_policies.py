"""What services of AWS may do for us, and everybody with a bucket: policies as text, from resources' names (ARN).

Under stock mocks the engine names nothing, hence the None.
"""

import json
from collections.abc import Mapping
from typing import Any

SNAPSHOTS = "hdinfra.snapshots"
"""The tag of disks that a Cluster's snapshot policy copies."""

_NO_ARN = "arn:aws:::::"


def trust(service: str, arn: str | None) -> str:
    account = (arn or _NO_ARN).split(":")[4]
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def may_log(arn: str | None) -> str:
    group = (arn or _NO_ARN).removesuffix(":*")
    write = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    groups = f"{group.partition(':log-group:')[0]}:log-group:*"
    return _policy(
        {"Effect": "Allow", "Action": write, "Resource": [group, f"{group}:*"]},
        {"Effect": "Allow", "Action": ["logs:DescribeLogGroups"], "Resource": [groups]},
    )


def may_copy(tag: str, arn: str | None) -> str:
    """Only what carries the tag, which copies take over from their disks."""
    _, partition, _, region, account, *_ = (arn or _NO_ARN).split(":")
    disks, copies = f"arn:{partition}:ec2:{region}:{account}:volume/*", f"arn:{partition}:ec2:{region}::snapshot/*"
    tagged = {"StringEquals": {f"aws:ResourceTag/{SNAPSHOTS}": tag}}
    # EC2 knows no narrower resource for what only looks.
    look = ["ec2:DescribeSnapshots", "ec2:DescribeVolumes"]
    return _policy(
        {"Effect": "Allow", "Action": ["ec2:CreateSnapshot"], "Resource": [disks], "Condition": tagged},
        {"Effect": "Allow", "Action": ["ec2:CreateSnapshot", "ec2:CreateTags"], "Resource": [copies]},
        {"Effect": "Allow", "Action": ["ec2:DeleteSnapshot"], "Resource": [copies], "Condition": tagged},
        {"Effect": "Allow", "Action": look, "Resource": ["*"]},
    )


def readable(arn: str | None) -> str:
    everybody, all_ = {"Principal": "*"}, f"{arn}/*"
    plain, tls = ({"Bool": {"aws:SecureTransport": value}} for value in ("false", "true"))
    return _policy(
        {**everybody, "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [all_], "Condition": tls},
        {**everybody, "Effect": "Deny", "Action": ["s3:*"], "Resource": [arn, all_], "Condition": plain},
    )


def _policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)
