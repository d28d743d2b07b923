"""The provider package `hdpolicy`. It needs no configuration: everything travels in the resources."""

from collections.abc import Mapping

from hdinfra.plugins.kind import Kind, Values
from hdinfra.plugins.policy.authority import AuthorityKind
from hdinfra.plugins.policy.certificates import CertificatesKind
from hdinfra.plugins.policy.keys import KeysKind
from hdinfra.plugins.policy.policy import PolicyKind
from hdinfra.plugins.policy.site_keys import AcmeAccountKind, SiteAuthorityKind
from hdinfra.plugins.policy.watch import Pace
from hdinfra.plugins.shapes import Record
from hdinfra.protocol.seal import ProtocolError

VERSION = "0.1.0"


class PolicyPath:
    """Keys, authorities, policies and certificates of one stack; `pace` bounds how long it waits for others."""

    name = "hdpolicy"
    version = VERSION
    config = Record({})
    config_replaces: frozenset[str] = frozenset()
    world_failures: tuple[type[BaseException], ...] = (ProtocolError,)

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()

    def configure(self, config: Values) -> Mapping[str, Kind]:
        """The kinds."""
        return {
            "hdpolicy:index:Keys": KeysKind(),
            "hdpolicy:index:Authority": AuthorityKind(self._pace),
            "hdpolicy:index:Policy": PolicyKind(self._pace),
            "hdpolicy:index:SiteAuthority": SiteAuthorityKind(),
            "hdpolicy:index:AcmeAccount": AcmeAccountKind(),
            "hdpolicy:index:Certificates": CertificatesKind(self._pace),
        }
