"""Certificates: every site has one from somewhere, and nothing is said of them that would be without effect."""

from collections.abc import Iterator

from hdinfra.model.refusal import Refusal
from hdinfra.model.spec import Issuer, SiteSpec, TlsSpec, ZoneSpec


def check_tls(spec: ZoneSpec) -> Iterator[Refusal]:
    """`tls.acme-account`, `tls.certificate-missing`, `tls.certificate-and-key`."""
    if spec.edge is None:
        return
    yield from _account(spec.edge.tls)
    for path, site in sites_of(spec):
        yield from _certificate(path, site, spec.edge.tls)


def sites_of(spec: ZoneSpec) -> Iterator[tuple[str, SiteSpec]]:
    """Every site with its path in the spec."""
    for i, instance in enumerate(spec.instances):
        for t, tenant in enumerate(instance.tenants):
            for s, site in enumerate(tenant.sites):
                yield f"instances[{i}].tenants[{t}].sites[{s}]", site


def _account(tls: TlsSpec) -> Iterator[Refusal]:
    if tls.issuer is Issuer.ACME and tls.acme is None:
        yield Refusal(
            "edge.tls.acme",
            "tls.acme-account",
            "Certificates shall come over ACME, but neither the authority's directory nor a contact is given.",
            "add `acme: {directory: https://acme-v02.api.letsencrypt.org/directory, contact: ...}`",
        )
    if tls.issuer is not Issuer.ACME and tls.acme is not None:
        yield Refusal(
            "edge.tls.acme",
            "tls.acme-account",
            f"The issuer is `{tls.issuer}`, so the ACME account would be without effect.",
            "write `issuer: acme`, or drop `acme`",
        )


def _certificate(path: str, site: SiteSpec, tls: TlsSpec) -> Iterator[Refusal]:
    given = {"certificate": site.https.certificate, "key": site.https.key}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 1:
        yield Refusal(
            f"{path}.https",
            "tls.certificate-and-key",
            f"`{site.host}` brings a certificate of its own, but no `{missing[0]}`; neither is of use alone.",
            f"add `{missing[0]}: ...` with the path of the file, or leave both out",
        )
    elif missing and tls.issuer is Issuer.SUPPLIED:
        yield Refusal(
            f"{path}.https",
            "tls.certificate-missing",
            f"Certificates are supplied, and `{site.host}` names none: nobody could reach it over HTTPS.",
            "add `https: {certificate: ..., key: ...}` with the paths of both files",
        )
