"""Runs inside the guest, as root: a line of JSON asks for a program, a line of JSON tells how it ended."""

import base64
import json
import subprocess
from pathlib import Path

PORT = "/dev/virtio-ports/hdinfra.shell"


def ran(argv: list[str], seconds: float, given: bytes) -> tuple[int, bytes]:
    """Exit code and all that was said; 124, as timeout(1) has it, when it had to be stopped."""
    try:
        done = subprocess.run(
            argv, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as slow:
        return 124, slow.stdout or b""
    except OSError as error:
        return 127, str(error).encode()
    return done.returncode, done.stdout


def serve(port: Path) -> None:
    """One after the other, for as long as the guest runs. The first line tells that somebody listens."""
    with port.open("r+b", buffering=0) as line:
        line.write(b'{"ready": true}\n')
        for asked in iter(line.readline, b""):
            wish = json.loads(asked)
            code, words = ran(wish["argv"], wish["seconds"], base64.b64decode(wish["given"]))
            told = {"number": wish["number"], "code": code, "words": base64.b64encode(words).decode()}
            line.write(json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    serve(Path(PORT))
