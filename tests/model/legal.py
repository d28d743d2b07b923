"""One legal spec as plain data, and ways to change it: what every refusal's case starts from."""

import copy
from collections.abc import Callable
from typing import Any

Data = dict[str, Any]
Change = Callable[[Data], None]

LEGAL: Data = {
    "zone": "india",
    "area": "lab",
    "clusters": [
        {"name": "one", "provider": "local", "region": "r01"},
        {"name": "two", "provider": "local", "region": "r02"},
        {"name": "ten", "provider": "local", "region": "r10"},
    ],
    "instances": [
        {
            "name": "shop",
            "capacity": 2,
            "tenants": [
                {"name": "acme", "sites": [{"host": "shop.acme.test", "origins": [{"lab": "web"}]}]},
                {"name": "globex", "sites": [{"host": "blog.globex.test", "origins": [{"address": "192.0.2.7"}]}]},
            ],
        },
        {"name": "spare"},
    ],
    "edge": {
        "places": [
            {"name": "east", "provider": "local", "region": "r03", "publish": {"port": 8080}},
            {"name": "west", "provider": "local", "region": "r04", "publish": {"port": 8081}},
        ]
    },
    "lab": {"origins": [{"name": "web", "region": "r05"}, {"name": "app", "region": "r05"}]},
}


def setting(path: str, value: object) -> Change:
    """Set `clusters.1.region` and the like; a new key is added."""
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))

    def change(data: Data) -> None:
        found: Any = data
        for part in way:
            found = found[part]
        found[last] = value

    return change


def legal(*changes: Change) -> Data:
    """A fresh copy of the legal spec with these changes."""
    data = copy.deepcopy(LEGAL)
    for change in changes:
        change(data)
    return data
