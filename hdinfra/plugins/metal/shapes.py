"""Shapes of what a server is given."""

from hdinfra.plugins.policy.names import ENDPOINTS, MACHINE, PEM
from hdinfra.plugins.shapes import Many, Number, Record, Text

NAME = Text(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", "a name: a-z, 0-9 and inner hyphens, 63 characters at most")
_SOME = Text(r"[^\0\n]{1,256}", "a line of 256 characters at most")
_SECRET = Text(r"[^\0\n]{1,1024}", "a line of 1,024 characters at most")
_PATH = Text(r"[^\0\n]{1,4096}", "a path of 4,096 characters at most")
BMC = Record(
    {
        "address": Text(
            r"https://[0-9A-Za-z.:\[\]-]{1,260}/?", "a BMC's address: https:// and its host, without a path"
        ),
        "username": _SOME,
        "password": _SECRET,
    },
    optional={
        "fingerprint": Text(r"(?i)[0-9a-f]{64}|(?:[0-9a-f]{2}:){31}[0-9a-f]{2}", "a SHA-256 fingerprint in hex"),
        "ca": PEM,
        "systemId": _SOME,
    },
)
REPORT = Record(
    {
        "machine": MACHINE,
        "endpoints": ENDPOINTS,
        "root": PEM,
        "adminToken": Text(r"[\x21-\x7e]{20,200}", "a token"),
    }
)
SERVE = Record(
    {"address": Text(r"[0-9a-fA-F.:]{2,45}", "an IPv4 or IPv6 address of this computer")},
    optional={"port": Number(0, 65_535), "scheme": Text(r"https?", "https or http")},
)
MEDIA = Record({}, optional={"serve": SERVE, "folder": _PATH, "url": Text(r"https?://[^\s]{1,2000}", "an address")})
EXPECT = Record(
    {},
    optional={
        "model": _SOME,
        "serial": _SOME,
        "macs": Many(Text(r"(?i)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "a MAC address such as 52:54:00:12:34:56")),
    },
)
INPUTS = Record(
    {
        "server": NAME,
        "bmc": BMC,
        "profile": Text(r"[0-9a-f]{64}", "a SHA-256 in hex"),
        "report": REPORT,
        "boot": Text(r"virtual-media|pxe", "virtual-media or pxe"),
    },
    optional={
        "image": _PATH,
        "order": Text(r"[A-Za-z0-9+/]+={0,2}", "base64"),
        "media": MEDIA,
        "expect": EXPECT,
        "reinstall": _SOME,
        "overwrite": Many(_SOME),
        "onDelete": Text(r"leave|power-off|wipe", "leave, power-off or wipe"),
        "confirmWipe": NAME,
        "waitSeconds": Number(60, 86_400),
    },
)
