"""Runs on Debian's own Python inside the machine: plays stack and machines over real TLS, prints what it saw."""

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, "/usr/lib/hdinfra/code")
from hdinfra.protocol import certificate, token
from hdinfra.protocol.entry import endorse
from hdinfra.protocol.release import Release, seal_release
from hdinfra.protocol.seal import canonical

Api = tuple[str, int]
Answer = tuple[int, Any]
STACK = json.loads(Path("/root/stack.json").read_text())
ZONE, KEY, ROOT = STACK["zone"], STACK["key"], STACK["root"]
SYSTEM = {"Authorization": f"Bearer {STACK['system']}"}
SITE = STACK["site"]


def ask(
    api: Api,
    method: str,
    path: str,
    body: Any = None,
    *,
    pem: str = "",
    headers: dict[str, str] | None = None,
    verify: bool = True,
    family: int = socket.AF_INET,
) -> Answer:
    name, port = api
    context = ssl.create_default_context(cadata=ROOT) if verify else ssl._create_unverified_context()
    if pem:
        Path("/tmp/machine.pem").write_text(pem)
        context.load_cert_chain("/tmp/machine.pem")
    with socket.socket(family) as plain:
        plain.settimeout(20)
        plain.connect(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        with context.wrap_socket(plain, server_hostname=name) as tls:
            connection = http.client.HTTPSConnection(name)
            connection.sock = tls
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


def until(question: Callable[[], Answer], within: float = 15) -> Any:
    deadline = time.monotonic() + within
    while True:
        try:
            found = question()
        except (OSError, ValueError, http.client.HTTPException) as error:
            found = None
            last = repr(error)
        else:
            last = repr(found)
        if found and found[0] == 200:
            return found[1]
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {within} s: {last}")
        time.sleep(0.05)


def bootstrap(api: Api) -> None:
    offer = until(lambda: ask(api, "GET", "/v1/bootstrap", verify=False))
    told = token.issue(token.Token(**offer["token"]), KEY)
    body = {"csr": offer["csr"], "key": offer["key"]}
    proof = hmac.new(told.encode(), canonical(body).encode(), hashlib.sha256).hexdigest()
    assert hmac.compare_digest(proof, offer["proof"])
    authority = certificate.issue_authority(ROOT, STACK["root_key"], offer["csr"], api[0], time.time())
    sent = {"certificate": authority, "endorsement": endorse(ZONE, api[0], offer["key"], KEY)}
    assert ask(api, "PUT", "/v1/bootstrap", sent, verify=False)[0] == 200


def enrolled(api: Api, name: str) -> tuple[str, str]:
    key, serial = certificate.new_key(), int(time.time() * 1000)
    text = token.issue(token.Token(ZONE, name, "waf", serial), KEY)
    status, answer = ask(api, "POST", "/v1/enrol", {"token": text, "csr": certificate.request(key, name)})
    assert status == 200, answer
    return answer["certificate"] + key, text


def report(settings: int = 0) -> dict[str, Any]:
    return {
        "number": 1, "settings": settings, "digest": "", "serving": True, "failed": None,
        "drained": False, "overrides": {}, "code": "", "problems": [],
    }  # fmt: skip


def main() -> None:
    apis = [tuple(api) for api in STACK["apis"]]
    saw: dict[str, Any] = {}
    for api in apis:
        saw[f"trusted before, {api[0]}"] = trusted(api)
        bootstrap(api)
    for api in apis:
        until(lambda api=api: ask(api, "GET", "/v1/ready"))
    first, last = apis[0], apis[-1]
    saw["ipv6"] = ask(first, "GET", "/v1/version", family=socket.AF_INET6)
    saw["bootstrap again"] = ask(first, "GET", "/v1/bootstrap")
    pem, text = enrolled(first, "a-shop-1")
    sealed = seal_release(
        Release(ZONE, "instance-shop", 1, int(time.time()), {"a-shop-1": "a"}, ("a-shop-1",), STACK["document"]), KEY
    )
    saw["publish"] = ask(first, "PUT", "/v1/policies/instance-shop", {"release": sealed}, headers=SYSTEM)
    saw["sync"] = until(lambda: ask(last, "GET", "/v1/sync?seen=none&wait=10", pem=pem))
    saw["sync"]["releases"] = [one == sealed for one in saw["sync"]["releases"]]
    saw["report"] = [ask(api, "POST", "/v1/report", report(), pem=pem)[0] for api in apis]
    saw["set"] = ask(first, "PUT", f"/v1/sites/{SITE}/settings", {"paranoia": 2}, headers=SYSTEM)
    begin = time.monotonic()
    saw["settings"] = len(until(lambda: settings(last, pem))["settings"])
    saw["seconds to the other"] = time.monotonic() - begin
    saw["renew"] = ask(last, "POST", "/v1/renew", {"csr": certificate.request(pem_key(pem), "x")}, pem=pem)[0]
    refusals(saw, first, last, pem, text)
    print(json.dumps(saw))


def refusals(saw: dict[str, Any], first: Api, last: Api, pem: str, text: str) -> None:
    forged = {"X-Hdinfra-Verify": "SUCCESS", "X-Hdinfra-Certificate": "x", "X-Hdinfra-Front": "x"}
    saw["forged headers"] = ask(first, "GET", "/v1/sync", headers=forged)
    saw["no certificate"] = ask(first, "GET", "/v1/sync")
    key = certificate.new_key()
    root = certificate.new_root("x", key, time.time())
    name = certificate.Name(ZONE, "waf", "a-shop-1", 1)
    csr = certificate.request(key, "x")
    foreign = certificate.issue_leaf(root, key, csr, name, time.time())
    saw["foreign certificate"] = ask(first, "GET", "/v1/sync", pem=foreign + key)
    expired = certificate.issue_leaf(STACK["root"], STACK["root_key"], csr, name, time.time() - 90_000)
    saw["expired certificate"] = ask(first, "GET", "/v1/sync", pem=expired + key)
    saw["past nginx"] = past_nginx()
    saw["too long"] = too_long(first)
    until(lambda: knows(last, "a-shop-1"))  # what one API machine took, the other has to have pulled
    thief = ask(last, "POST", "/v1/enrol", {"token": text, "csr": csr})
    saw["replayed elsewhere"] = thief
    until(lambda: (200 if ask(first, "GET", "/v1/sync", pem=pem)[0] == 403 else 0, {}))
    saw["revoked"] = [ask(api, "GET", "/v1/sync", pem=pem) for api in (last, first)]
    saw["alarms"] = [ask(api, "GET", "/v1/alarms", headers=SYSTEM)[1]["alarms"] for api in (first, last)]


def knows(api: Api, machine: str) -> Answer:
    status, answer = ask(api, "GET", "/v1/machines", headers=SYSTEM)
    found = [one for one in answer.get("machines", ()) if one["name"] == machine and one["serial"]]
    return (status if found else 0), answer


def settings(api: Api, pem: str) -> Answer:
    status, answer = ask(api, "GET", "/v1/sync", pem=pem)
    return (status if answer.get("settings") else 0), answer


def past_nginx() -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", 9001, timeout=5)
    connection.request("GET", "/v1/alarms", headers=SYSTEM)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def too_long(api: Api) -> str:
    context = ssl.create_default_context(cadata=ROOT)
    plain = socket.create_connection(("127.0.0.1", api[1]), 20)
    with context.wrap_socket(plain, server_hostname=api[0]) as tls:
        tls.sendall(b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")
        return tls.recv(12).decode()


def trusted(api: Api) -> int | str:
    try:
        until(lambda: ask(api, "GET", "/v1/version", verify=False))
        return ask(api, "GET", "/v1/version")[0]
    except ssl.SSLError as error:
        return str(error.reason)


def pem_key(pem: str) -> str:
    return "-----BEGIN PRIVATE KEY-----" + pem.partition("-----BEGIN PRIVATE KEY-----")[2]


main()
