"""What status and `up` say of sites over HTTPS."""

from pathlib import Path
from typing import Any

from hdinfra.operate.site_tls import certificates, curl_lines, keep_authority, words
from hdinfra.operate.status import Declared
from hdinfra.operate.workspace import Workspace

NOW = 1_800_000_000.0
DAY = 86_400
SHOP = "shop.acme.test"


def edge(**days_left: float | None) -> dict[str, Any]:
    ends = {host.replace("_", "."): days and NOW + days * DAY for host, days in days_left.items()}
    return {"certificates": [{"host": h, "ends_at": end, "issuer": "R11" if end else ""} for h, end in ends.items()]}


def judged(*edges: dict[str, Any] | None) -> dict[str, Any]:
    return certificates([SHOP], edges, NOW)[0]


def test_the_certificate_that_ends_first_counts() -> None:
    found = judged(edge(shop_acme_test=80), edge(shop_acme_test=22))
    assert (found["well"], found["ends_soon"], found["days"]) == (True, False, 22)
    assert words(found) == "certificate of R11 until 2027-02-06 (22 days)"
    assert judged(edge(shop_acme_test=20.5))["ends_soon"]


def test_one_that_has_ended_or_is_not_there_on_some_edge_is_not_well() -> None:
    ended = judged(edge(shop_acme_test=80), edge(shop_acme_test=-1.5))
    assert (ended["well"], words(ended)) == (False, "certificate of R11 ENDED on 2027-01-13")
    missing = judged(edge(shop_acme_test=80), edge(shop_acme_test=None))
    assert (missing["well"], words(missing)) == (False, "no certificate")
    assert not judged(edge(blog_test=80))["well"]


def test_where_no_edge_answers_that_alone_is_wrong() -> None:
    found = judged(None, None)
    assert (found["well"], words(found)) == (True, "certificate unknown, as no edge answers")
    assert judged(None, edge(shop_acme_test=80))["days"] == 80


def test_the_line_to_paste_believes_what_up_wrote(tmp_path: Path) -> None:
    output = {"edge": {"https_urls": ["https://127.0.0.1:8443"], "authority": "PEM\n"}, "sites": [{"host": SHOP}]}
    known, workspace = Declared(output), Workspace(tmp_path, "local", {})
    path = keep_authority(workspace, known)
    assert path == Path(".state/local-authority.pem")
    assert ((tmp_path / path).read_text(), (tmp_path / path).stat().st_mode & 0o777) == ("PEM\n", 0o644)
    believing = f"--cacert .state/local-authority.pem --resolve {SHOP}:8443:127.0.0.1"
    assert curl_lines(known, path) == [f"curl {believing} https://{SHOP}:8443/"]
    public = Declared({**output, "edge": {**output["edge"], "authority": ""}})  # type: ignore[dict-item]
    assert keep_authority(workspace, public) is None
    assert curl_lines(public, None) == [f"curl --resolve {SHOP}:8443:127.0.0.1 https://{SHOP}:8443/"]
    assert curl_lines(Declared({"edge": {}, "sites": []}), None) == []
