"""Runs in the guest and stands for the world outside: asks a site at a steady pace, and tells how long answers took."""

import json
import socket
import sys
import time


def asked(host: str) -> tuple[int, float]:
    """Status and seconds of one request on a connection of its own."""
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", 80), timeout=30) as connection:
        wish = f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        connection.sendall(wish.encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    return int(answer.split(b" ", 2)[1]), time.monotonic() - begin


def visit(host: str, count: int, every: float) -> dict[str, list[float]]:
    """One after the other, at least `every` seconds apart."""
    told: dict[str, list[float]] = {"codes": [], "seconds": []}
    due = time.monotonic()
    for _ in range(count):
        time.sleep(max(0.0, due - time.monotonic()))
        due = time.monotonic() + every
        code, seconds = asked(host)
        told["codes"].append(code)
        told["seconds"].append(round(seconds, 5))
    return told


print(json.dumps(visit(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
