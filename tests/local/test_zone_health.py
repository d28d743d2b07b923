"""Who can really serve says so: every machine of a zone that is up, to whoever asks the edge and to the edge itself."""

import json

import httpx

from bench.project import Project
from hdinfra.agent.paths import HEALTH_PATH
from hdinfra.operate.containers import open_containers, said
from tests.machine.sync_stack import eventually

HOST = "shop.acme.test"
ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=5)
connection.request("GET", sys.argv[2], headers={"Host": sys.argv[3]})
print(connection.getresponse().status)
"""


def test_a_machine_that_is_drained_says_503_to_the_edges_and_they_go_on_to_say_200(zone: Project) -> None:
    containers = open_containers()
    status = zone.ask("status")
    edge = status["edge"]["machines"][0]["container"]
    one, other = (cluster["machines"][0] for cluster in status["clusters"])

    def asked(machine: dict[str, str], host: str) -> str:
        return said(
            containers.client.containers.get(edge).exec_run(["python3", "-c", ASK, machine["ipv4"], HEALTH_PATH, host])
        ).strip()

    def told() -> str:
        return said(containers.client.containers.get(one["container"]).exec_run(["hdctl", "health"]))

    def edges() -> list[int]:
        return [
            httpx.get(f"{url}{HEALTH_PATH}", headers={"Host": HOST}, trust_env=False).status_code for url in zone.urls
        ]

    eventually(lambda: [asked(one, host) for host in (HOST, "nobody.test")] == ["200", "200"], 15, told)
    eventually(lambda: edges() == [200, 200], 15)
    containers.run(one["container"], "hdctl", "drain")
    try:
        eventually(lambda: asked(one, HOST) == "503", 15, told)
        why = json.loads(
            said(containers.client.containers.get(one["container"]).exec_run(["hdctl", "health", "--json"]))
        )
        assert why["reasons"] == ["it is drained"]
        assert asked(other, HOST) == "200" and edges() == [200, 200]
    finally:
        containers.run(one["container"], "hdctl", "undrain")
    eventually(lambda: asked(one, HOST) == "200", 15, told)
