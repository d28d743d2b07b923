"""Parcels at the API machines: who may leave one, who gets it, and that nobody there reads it."""

from collections.abc import Mapping

from hdinfra.protocol import certificate
from hdinfra.protocol.parcel import Label, open_parcel, read_parcel, seal_parcel
from hdinfra.protocol.seal import new_key, public_of
from tests.machine.control_fixtures import (
    APIS,
    SYSTEM,
    ZONE,
    Api,
    Apis,
    Json,
    Machine,
    enrolled,
    gossip,
    refusal,
    report,
)

SHOP = "shop.acme.test"
TEXT = "the key of the shop"


def told(api: Api, name: str) -> Json:
    found: Json = next(one for one in api.get("/v1/machines", SYSTEM).json()["machines"] if one["name"] == name)
    return found


def edge(api: Api) -> tuple[Machine, str]:
    """An edge that has reported, and its key as the API tells it."""
    machine = enrolled(api, "e-edge", "load-balancer")
    assert api.post("/v1/report", report(), machine).status_code == 200
    return machine, str(told(api, "e-edge")["key"])


def sealed(api: Api, keys: Mapping[str, str], number: int = 1, signing: str = "") -> str:
    return seal_parcel(Label(ZONE, SHOP, number), TEXT, keys, signing or api.stack.key)


def leave(api: Api, text: str, by: str = SYSTEM) -> int:
    return api.put("/v1/parcels", {"parcel": text}, by).status_code


def test_what_is_sealed_for_the_key_that_the_api_tells_the_edge_opens(api: Api) -> None:
    machine, key = edge(api)
    assert key == certificate.public_point(machine.certificate)
    before = api.get("/v1/sync", machine).json()["etag"]
    assert leave(api, sealed(api, {"e-edge": key})) == 200
    found = api.get(f"/v1/sync?seen={before}", machine).json()
    assert (found["parcels"], found["etag"] != before) == ({SHOP: 1}, True)
    parcel = read_parcel(api.get(f"/v1/parcels/{SHOP}", machine).json()["parcel"], public_of(api.stack.key), ZONE)
    assert open_parcel(parcel, "e-edge", machine.key) == TEXT
    assert api.get("/v1/parcels", SYSTEM).json() == {"numbers": {SHOP: 1}}


def test_nobody_else_gets_it_and_no_admin_reads_it(api: Api) -> None:
    _, key = edge(api)
    assert leave(api, sealed(api, {"e-edge": key})) == 200
    waf = enrolled(api)
    assert "parcels" not in api.get("/v1/sync", waf).json()
    assert refusal(api.get(f"/v1/parcels/{SHOP}", waf)) == (404, "parcel.unknown")
    assert api.get(f"/v1/parcels/{SHOP}", SYSTEM).status_code == 403
    assert TEXT.encode() not in b"".join(path.read_bytes() for path in api.home.glob("api.db*"))


def test_only_the_stack_leaves_one_and_never_an_older(api: Api) -> None:
    _, key = edge(api)
    second = sealed(api, {"e-edge": key}, 2)
    assert [leave(api, second), leave(api, second)] == [200, 200]
    older = api.put("/v1/parcels", {"parcel": sealed(api, {"e-edge": key}, 1)}, SYSTEM)
    assert refusal(older) == (409, "parcel.older")
    assert leave(api, sealed(api, {"e-edge": key}, 3, new_key())) >= 400
    assert leave(api, sealed(api, {"e-edge": key}, 3), api.made_token("ADMIN", "acme")) == 403
    assert api.get("/v1/parcels", SYSTEM).json() == {"numbers": {SHOP: 2}}


def test_api_machines_tell_one_another_and_remember(apis: Apis) -> None:
    one, two = (apis.new(name).certified() for name in APIS)
    _, key = edge(one)
    assert leave(one, sealed(one, {"e-edge": key}, 4)) == 200
    gossip(one, two)
    two.node.close()
    two.start()
    assert two.get("/v1/parcels", SYSTEM).json() == {"numbers": {SHOP: 4}}
