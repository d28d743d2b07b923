"""What is refused of a monitor: intervals that are not to be had, and promises that they cannot keep."""

from collections.abc import Iterator

from hdinfra.model.failover.limits import load_limits
from hdinfra.model.failover.spec import AccountPlan, FailoverSpec, MonitorSpec
from hdinfra.model.failover.timing import attempts_seconds, rounds_of, worst_case
from hdinfra.model.refusal import Refusal


def check_interval(monitor: MonitorSpec, account_plan: AccountPlan) -> Iterator[Refusal]:
    """`edge.interval`: what the plan gives, and probes that are over before the next one begins."""
    least = load_limits().plans[account_plan].minimum_interval_seconds
    if monitor.interval_seconds < least:
        yield Refusal(
            "monitor.interval_seconds",
            "edge.interval",
            f"A probe every {monitor.interval_seconds} s is more than plan `{account_plan}` gives, which is one every "
            f"{least} s.",
            f"write `interval_seconds: {least}` or more{_bookable(monitor.interval_seconds)}",
        )
    # Equal is well: a probe is then given up at the moment in which the next one begins.
    if attempts_seconds(monitor) > monitor.interval_seconds:
        yield Refusal(
            "monitor.timeout_seconds",
            "edge.interval",
            f"A probe without an answer takes {_product(monitor)} = {attempts_seconds(monitor)} s, and the next one "
            f"is due after {monitor.interval_seconds} s; what Cloudflare does then is not documented, so nobody could "
            "say how long a switch takes.",
            _shorter(monitor),
        )


def check_rto(spec: FailoverSpec) -> Iterator[Refusal]:
    """`edge.rto`: what is promised can be kept, at worst."""
    if spec.rto_seconds is None:
        return
    if len(spec.pools) < 2:
        message = f"{spec.rto_seconds} s are promised, and besides `{spec.pools[0].name}` no pool can take users."
        yield Refusal("rto_seconds", "edge.rto", message, "add a pool, or drop `rto_seconds`")
        return
    worst, monitor = worst_case(spec), spec.monitor
    if worst.recover_seconds <= spec.rto_seconds:
        return
    parts = [
        f"{worst.waiting_seconds:g} s until the probe begins that counts{_waiting(monitor)}",
        f"{worst.attempts_seconds:g} s until it is given up ({_product(monitor)})",
        f"{worst.edge_seconds:g} s until the whole edge follows",
    ]
    if spec.ttl_seconds:
        parts.append(f"{worst.ttl_seconds:g} s until resolvers have forgotten the old answer")
    yield Refusal(
        "rto_seconds",
        "edge.rto",
        f"{spec.rto_seconds} s are promised, and a switch takes {worst.recover_seconds:g} s at worst: "
        f"{', '.join(parts)}.",
        _keepable(spec, spec.rto_seconds, worst.recover_seconds - worst.waiting_seconds),
    )


def _keepable(spec: FailoverSpec, promised: int, rest: float) -> str:
    # `rest` is what the interval does not change. An interval is at least as long as a probe may take.
    down, taken = spec.monitor.consecutive_down, attempts_seconds(spec.monitor)
    longest = int((promised - rest) // down)
    leasts = {plan: max(limits.minimum_interval_seconds, taken) for plan, limits in load_limits().plans.items()}
    least = leasts[spec.account_plan]
    if longest >= least:
        return f"write `interval_seconds: {longest}`"
    floor = f"write `rto_seconds: {least * down + rest:g}` with `interval_seconds: {least}`"
    none = f"no interval that plan `{spec.account_plan}` allows keeps it: {floor}"
    better = [plan for plan, needed in leasts.items() if longest >= needed]
    return f"{none}, or `account_plan: {better[0]}` with `interval_seconds: {longest}`" if better else none


def _bookable(interval: int) -> str:
    plans = [plan for plan, limits in load_limits().plans.items() if limits.minimum_interval_seconds <= interval]
    return f", or `account_plan: {plans[0]}`" if plans else ""


def _waiting(monitor: MonitorSpec) -> str:
    return f" ({monitor.interval_seconds} s x {monitor.consecutive_down})" if rounds_of(monitor) == 1 else ""


def _product(monitor: MonitorSpec) -> str:
    return f"{monitor.timeout_seconds} s x {monitor.retries + 1}"


def _shorter(monitor: MonitorSpec) -> str:
    retries = monitor.interval_seconds // monitor.timeout_seconds - 1
    if retries >= 0:
        return f"write `retries: {retries}`, or `interval_seconds: {attempts_seconds(monitor)}`"
    return f"write `timeout_seconds: {monitor.interval_seconds}` and `retries: 0`"
