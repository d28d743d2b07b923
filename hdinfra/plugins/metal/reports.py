"""What a server says of itself once it runs: its last report to the management API."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.policy.api import Api, ApiRefusedError, ApiUnreachableError, Endpoint


@dataclass(frozen=True, slots=True)
class Told:
    """`at` in seconds of our own monotonic clock; `key` is of the machine's certificate, made at its first boot."""

    profile: str
    key: str
    at: float
    problems: tuple[str, ...] = ()


class Reports:
    """Asks the API machines of a resource's input `report`; one that answers is enough."""

    def __init__(self, values: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.machine = str(values["machine"])
        root, token = str(values["root"]), str(values["adminToken"])
        self._apis = [Api(Endpoint.of(one), root, token) for one in values["endpoints"]]
        self._clock = clock
        self.silence = ""

    def last(self) -> Told | None:
        """Its newest report; None when it never reported, or when nobody answers, which `silence` then explains."""
        answers = [self._asked(api) for api in self._apis]
        silent = [answer for answer in answers if isinstance(answer, str)]
        self.silence = "; ".join(silent) if len(silent) == len(answers) else ""
        reports = [answer for answer in answers if isinstance(answer, Told)]
        return max(reports, key=lambda report: report.at, default=None)

    def age(self, told: Told) -> float:
        """Seconds since that report."""
        return self._clock() - told.at

    def close(self) -> None:
        """Lets go of the connections."""
        for api in self._apis:
            api.close()

    def _asked(self, api: Api) -> Told | str | None:
        try:
            machines = api.get("/v1/machines")["machines"]
        except ApiUnreachableError as error:
            return str(error)
        except ApiRefusedError as error:
            raise PluginError(
                f"The management API at {api.endpoint.address} does not tell us what machines report: {error}\n"
                "fix: write the stack's admin token as `report.admin_token`"
            ) from error
        except (KeyError, TypeError):
            return f"{api.endpoint.name}: an answer of another shape"
        return next((self._told(one) for one in machines if one.get("name") == self.machine), None)

    def _told(self, one: Mapping[str, Any]) -> Told | None:
        if one.get("seen_seconds") is None:
            return None
        return Told(
            profile=str(one.get("profile") or ""),
            key=str(one.get("key") or ""),
            at=self._clock() - float(one["seen_seconds"]),
            problems=tuple(map(str, one.get("problems") or ())),
        )
