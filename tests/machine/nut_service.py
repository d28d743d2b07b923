"""Runs on Debian's own Python inside the machine: a service that answers, and writes down when it comes and goes."""

import os
import signal
import socket
import sys
import time
from pathlib import Path


def note(what: str) -> None:
    with Path("/var/log/order").open("a") as log:
        log.write(f"{time.time():.3f} {what}\n")


def listening(address: str, port: int) -> socket.socket:
    made = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.setblocking(False)
    return made


def main() -> None:
    name, port, seconds, *addresses = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: note(f"ask {name}"))
    open_ports = [listening(address, int(port)) for address in addresses]
    note(f"start {name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.connect(os.environ["NOTIFY_SOCKET"])
        told.sendall(b"READY=1")
    signal.pause()
    for one in open_ports:
        one.close()
    time.sleep(float(seconds))  # what a database writes before it ends
    note(f"stop {name}")


main()
