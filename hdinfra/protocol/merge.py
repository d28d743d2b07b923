"""A version is the merge: the stack's structure with the settings that the API owns, inside the stack's ceilings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hdinfra.protocol.entry import Entry

MODES = ("BYPASS", "RECORD", "MITIGATION")
"""From the weakest protection to the strongest."""
SETTINGS = ("mode", "paranoia", "exclusions")
"""What the API may own of a site."""
RULES = (900_000, 999_999)
"""Numbers of rules of the OWASP Core Rule Set."""
MACHINERY = frozenset({901, 903, 905, 949, 959, 980})
"""Groups of it, the first three digits of their rules, that set up, count and block for all others: without one of
these a site would be in its mode by name only, whatever its ceilings say."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The document with settings applied, and why some were not."""

    document: Mapping[str, Any]
    ignored: tuple[str, ...] = ()


def setting_key(scope: str, host: str) -> str:
    """Under which an entry of kind `setting` stands."""
    return f"{scope}/{host}"


def merged(document: Mapping[str, Any], scope: str, settings: Iterable[Entry]) -> Merged:
    """Sites get what the API set for them; what breaks a ceiling is left out and named."""
    if document.get("app") != "waf":
        return Merged(document)
    said = {entry.key: entry.body for entry in settings if entry.kind == "setting"}
    sites, ignored = [], []
    for site in document["sites"]:
        values = said.get(setting_key(scope, site["host"]), {})
        broken = broken_ceilings(site, values)
        ignored += broken
        sites.append(site if broken else {**site, **{name: values[name] for name in SETTINGS if name in values}})
    return Merged({**document, "sites": sites}, tuple(ignored))


def broken_ceilings(site: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Every reason why these settings may not be had for that site."""
    host, found = site["host"], []
    if unknown := sorted(values.keys() - set(SETTINGS)):
        found.append(f"{host}: {unknown} cannot be set; {', '.join(SETTINGS)} can")
    mode = values.get("mode", site["mode"])
    if mode not in MODES:
        found.append(f"{host}: mode `{mode!s:.40}` is none of {', '.join(MODES)}")
    elif MODES.index(mode) < MODES.index(site["lowest_mode"]):
        found.append(f"{host}: mode {mode} is weaker than the stack's ceiling {site['lowest_mode']}")
    elif values.get("mode", "BYPASS") != "BYPASS" and site.get("profile") == "none":
        found.append(f"{host}: mode {mode} would inspect nothing, as the stack's profile is none")
    paranoia = values.get("paranoia", site["paranoia"])
    if not _whole(paranoia) or not 1 <= paranoia <= site["highest_paranoia"]:
        found.append(
            f"{host}: paranoia {paranoia!s:.40} is not from 1 to the stack's ceiling {site['highest_paranoia']}"
        )
    return found + _broken_exclusions(site, values.get("exclusions", site["exclusions"]))


def _broken_exclusions(site: Mapping[str, Any], exclusions: object) -> list[str]:
    host, most = site["host"], site["most_exclusions"]
    if not isinstance(exclusions, list) or not all(
        _whole(rule) and RULES[0] <= rule <= RULES[1] for rule in exclusions
    ):
        return [f"{host}: exclusions are a list of rule numbers from {RULES[0]} to {RULES[1]}"]
    if len(set(exclusions)) != len(exclusions) or len(exclusions) > most:
        return [f"{host}: {len(exclusions)} exclusions; the stack's ceiling is {most}, each once"]
    if machinery := machinery_in(exclusions):
        return [
            f"{host}: {machinery} count and block for all other rules; exclude the rules that are wrong here instead"
        ]
    return []


def machinery_in(exclusions: Iterable[int]) -> list[int]:
    """Those that are no rule for a site to do without."""
    return sorted({rule for rule in exclusions if rule // 1_000 in MACHINERY})


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
