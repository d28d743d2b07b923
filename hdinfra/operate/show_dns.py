"""What the Zone's name servers answer, for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from hdinfra.operate.tables import table

Json = Mapping[str, Any]


def show_dns(dns: Json | None, console: Console) -> None:
    """Where the sites' name leads, and what each server answers; nothing for a Zone without name servers."""
    if not dns:
        return
    console.print(f"dns {escape(dns['alias'])} leads to entrance {escape(dns['entrance'])}")
    for server, told in sorted(dns["answers"].items()):
        if not told:
            console.print(f"dns {escape(server)} says nothing here; ask it by `hdinfra edge show`")
            continue
        for entrance, found in sorted(told["entrances"].items()):
            answer = escape(" ".join(found) or "nothing")
            console.print(f"dns {escape(server)} answers {escape(entrance)} with {answer}")
        down = [f"{place['name']} {place['address']}" for place in told["places"] if not place["up"]]
        if down:
            console.print(f"[red]dns {escape(server)} finds down:[/red] {escape(', '.join(down))}")


def show_entrances(told: Json, console: Console) -> None:
    """`hdinfra edge show`: each entrance, what each server answers, and what is asked of the domain's owner."""
    rows = [
        (
            escape(one["name"]) + (" (in force)" if one["name"] == told["entrance"] else ""),
            escape(", ".join(one["places"]) or one["target"]),
            escape(one["health"]),
        )
        for one in told["entrances"]
    ]
    console.print(table(("entrance", "leads to", "health"), rows))
    answers = [
        (escape(one["server"]), escape(one["over"]), escape(one["leads_to"] or "nothing"), escape(one["problem"]))
        for one in told["servers"]
    ]
    console.print(table(("server", "asked over", f"{escape(told['alias'])} is", "problem"), answers))
    console.print("At the parent domain, once:")
    for line in told["delegation"]:
        console.print(f"  {escape(line)}")


def show_switched(told: Json, console: Console) -> None:
    """`hdinfra edge switch`: when each server led users to the new entrance, and for how long old answers live."""
    console.print(f"from entrance {escape(told['before'])} to {escape(told['entrance'])}")
    for server, seconds in sorted(told["servers"].items()):
        console.print(
            f"{escape(server)} leads there " + ("[red]not yet[/red]" if seconds is None else f"after {seconds:.1f} s")
        )
    console.print(f"resolvers may keep the old answer for {told['old_answers_seconds']} s more")
    if not told["recorded"]:
        console.print("[red]the stack does not know it yet:[/red] the lock file does; run hdinfra up")
