"""One probe of a machine, as its monitor has it: what it answers, and how long that may take."""

import asyncio
from dataclasses import dataclass

from .failover_policy import Monitor
from .services import POLITE
from .steering import Target

_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether it passed, and what was seen."""

    passed: bool
    evidence: str


async def probe(target: Target, due: float, port: int = 80) -> Outcome:
    """Ask, and again at once as often as the monitor says while there is no answer. `due`: when the first try was to
    begin (the loop's time), from which its time runs: a late start does not make the whole late."""
    monitor, begin = target.monitor, due
    outcome = Outcome(passed=False, evidence="was not asked")
    for _ in range(monitor.retries + 1):
        deadline = begin + monitor.timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                return await _ask(target, port)
        except TimeoutError:
            outcome, begin = Outcome(False, f"no answer within {monitor.timeout_seconds} s"), deadline
        except OSError as error:
            outcome, begin = Outcome(False, f"no answer: {error.strerror or error}"), asyncio.get_running_loop().time()
    return outcome


async def _ask(target: Target, port: int) -> Outcome:
    reader, writer = await asyncio.open_connection(str(target.address), port)
    try:
        polite = "".join(f"{name}: {value}\r\n" for name, value in POLITE.items())
        head = f"GET {target.monitor.path} HTTP/1.1\r\nHost: {target.host}\r\n{polite}Connection: close\r\n\r\n"
        writer.write(head.encode())
        line = await reader.readline()
        words = line.split()
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise ConnectionError(0, "what came is not HTTP")
        if int(words[1]) != target.monitor.expected_status:
            return Outcome(False, f"answers {int(words[1])}")
        return await _body(reader, target.monitor)
    except (ValueError, asyncio.LimitOverrunError):
        raise ConnectionError(0, "what came is not HTTP") from None
    finally:
        writer.transport.abort()


async def _body(reader: asyncio.StreamReader, monitor: Monitor) -> Outcome:
    """Of an answer whose status is right."""
    wanted, found = monitor.expected_body.lower().encode(), b""
    while wanted not in found.lower() and len(found) < _MOST_BYTES:
        part = await reader.read(4_096)
        if not part:
            return Outcome(False, f"answers {monitor.expected_status} without `{monitor.expected_body}`")
        found += part
    passed = wanted in found.lower()
    return Outcome(passed, f"answers {monitor.expected_status}" + ("" if passed else " with too long a text"))
