"""What a visitor of the first zone asks for."""

import httpx

SHOP, BLOG = "shop.acme.test", "blog.globex.test"


def get(url: str, host: str, path: str = "/", **params: str) -> httpx.Response:
    """One GET of a site through an edge."""
    return httpx.get(f"{url}{path}", headers={"Host": host}, params=params, timeout=10, trust_env=False)
