"""Shapes of what the kinds here are given."""

from hdinfra.plugins.shapes import Many, Number, Record, Text

ZONE = Text(r"[a-z0-9-]{1,40}", "a zone's name: a-z, 0-9 and `-`, 40 characters at most")
SCOPE = Text(r"[a-z0-9-]{1,100}", "a scope's name: a-z, 0-9 and `-`, 100 characters at most")
MACHINE = Text(r"[a-z0-9-]{1,100}", "a machine's name: a-z, 0-9 and `-`, 100 characters at most")
PEM = Text(r"(?s)-----BEGIN [A-Z ]+-----\n.*", "PEM")
SIGNING_KEY = Text(r"[A-Za-z0-9+/]{43}=", "an Ed25519 key in base64")
ENDPOINT = Record({"name": MACHINE, "address": Text(r"[0-9a-zA-Z.:-]{1,253}", "an address"), "port": Number(1, 65535)})
ENDPOINTS = Many(ENDPOINT, least=1)
