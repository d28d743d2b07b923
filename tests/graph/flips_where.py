"""Other places for what stands somewhere: provider, region, account, zones and network of a Cluster or a place."""

from collections.abc import Callable, Mapping
from typing import Any

Data = dict[str, Any]
Values = Mapping[str, Data]
"""What the flip is called, and what it writes into the mapping that has the field; None takes a key away."""
Flip = Callable[[Data], Values]

WHY = "a reason that a reviewer has read"
_ELSEWHERE = {
    "aws": "eu-west-3",
    "azure": "swedencentral",
    "digitalocean": "ams3",
    "gcp": "europe-west9",
    "hetzner": "fsn1",
    "ibm": "eu-gb",
}
IN_INDIA = {
    "ap-south-1": "ap-south-2",
    "ap-south-2": "ap-south-1",
    "blr1": None,  # DigitalOcean has no other
    "in-bom-2": "ap-west",
    "in-maa": "ap-west",
}
_NEXT_LAB = {"lab-north": "lab-east", "lab-south": "lab-west", "lab-east": "lab-centre", "lab-west": "lab-centre"}


def other_provider(spot: Data) -> Values:
    if spot["provider"] == "local":
        return {}  # what stands on this computer stands there alone (zone.local-alone)
    lacking = ("disk-encryption", "spread", "snapshot-retention", "volume-snapshots")
    waivers = dict.fromkeys(lacking, WHY)
    region, cloud = {
        "aws": ("lon1", "digitalocean"),
        "azure": ("fra1", "digitalocean"),
        "digitalocean": ("fsn1", "hetzner"),
        "gcp": ("fra1", "digitalocean"),
        "hetzner": ("eu-north-1", "aws"),
        "ibm": ("lon1", "digitalocean"),
        "linode": ("ap-south-2", "aws"),
    }[spot["provider"]]
    if spot["region"] in IN_INDIA and cloud != "aws":
        region, cloud = "ap-west", "linode"
    return {cloud: {"provider": cloud, "region": region, "waivers": waivers}}


def other_place_provider(place: Data) -> Values:
    """Places are of two operators, so it is the one that has none yet."""
    if place["provider"] == "local":
        return {}
    region = "blr1" if place["region"] in IN_INDIA else "lon1"
    waivers = {"disk-encryption": WHY, "spread": WHY}  # several Machines of a place could share a server there
    return {"digitalocean": {"provider": "digitalocean", "region": region, "waivers": waivers}}


def other_region(spot: Data) -> Values:
    if spot["region"] in IN_INDIA:
        other = IN_INDIA[spot["region"]]
        return {other: {"region": other}} if other else {}
    region = _ELSEWHERE.get(spot["provider"]) or _NEXT_LAB[spot["region"]]
    return {region: {"region": region}}


def other_account(spot: Data) -> Values:
    own = {"local": None, "azure": "subscription", "gcp": "gcp", "ibm": "of-ibm"}
    name = own.get(spot["provider"], "second")
    return {name: {"account": name}} if name else {}


def other_zones(cluster: Data) -> Values:
    if cluster["provider"] == "azure":
        return {"2, 3": {"zones": ["2", "3"]}}
    if cluster["provider"] == "gcp":
        return {"b, c": {"zones": ["europe-west3-b", "europe-west3-c"]}}
    if not _is_aws(cluster):
        return {}
    a, b, c = (f"{cluster['region']}{letter}" for letter in "abc")
    return {"b, c": {"zones": [b, c]}, "c, a": {"zones": [c, a]}}


def _is_aws(spot: Data) -> bool:
    return bool(spot["provider"] == "aws")


def more_waivers(*features: str) -> Flip:
    def flip(spot: Data) -> Values:
        before = spot.get("waivers", {})
        return {f"and {name}": {"waivers": {**before, name: WHY}} for name in features if name not in before}

    return flip


def cluster_ipv6(cluster: Data) -> Values:
    return {"fd00:77::/64": {"ipv6": "fd00:77::/64"}} if cluster["provider"] == "local" else {}
