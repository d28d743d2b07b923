"""One server's BMC: what we ask of it by Redfish, and its refusals in words that a person can act on."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import requests
import sushy
from sushy import auth as sushy_auth
from sushy import exceptions as refusals

from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.metal.trust import Access, PinnedConnector, shown_fingerprint

Json = Mapping[str, Any]
_CD = (sushy.VIRTUAL_MEDIA_CD, sushy.VIRTUAL_MEDIA_DVD)
# Sushy tells each failure before it raises it, which would be on the engine's screen twice.
logging.getLogger("sushy").setLevel(logging.CRITICAL + 1)


class BmcError(PluginError):
    """A BMC's refusal or silence.

    BmcError
    |- SilentError    nobody answers; it may be different in a minute
    `- AccessError    it is another one than pinned, or does not know us: asking again changes nothing
    """


class SilentError(BmcError):
    """Nobody answers, or not in time."""


class AccessError(BmcError):
    """Another BMC than the one that is pinned, or one that does not know us."""


class Bmc:
    """Connected while it is used as a context. Every deed ends well or with a BmcError of one clear line."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._connector = PinnedConnector(access)
        self._auth = sushy_auth.SessionOrBasicAuth(username=access.username, password=access.password)
        self._system: Any = None

    def __enter__(self) -> "Bmc":
        try:
            with self._clear():
                root = sushy.Sushy(self.access.address, auth=self._auth, connector=self._connector)
                self._system = root.get_system(self._path(root))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def get(self, path: str) -> Json:
        """Any resource as it is."""
        with self._clear():
            found = self._connector.get(path).json()
        return found if isinstance(found, dict) else {}

    def system(self) -> Json:
        """The system as it is now."""
        with self._clear():
            self._system.refresh(force=True)
            found: Json = self._system.json
        return found

    def power(self) -> str:
        """On, Off, PoweringOn or PoweringOff; empty where it does not say."""
        return str(self.system().get("PowerState") or "")

    def turn(self, on: bool) -> None:
        """Orders it; a server that is so already is left alone."""
        if self.power() == ("On" if on else "Off"):
            return
        with self._clear("does not let its power be switched"):
            self._system.reset_system(sushy.RESET_TYPE_ON if on else sushy.RESET_TYPE_FORCE_OFF)

    def boot_once(self, source: str) -> None:
        """The next boot alone, by UEFI, is from `Cd` or `Pxe`."""
        with self._clear(f"does not let the next boot be from `{source}`"):
            self._system.refresh(force=True)
            self._system.set_system_boot_options(
                target=sushy.BootSource(source),
                enabled=sushy.BOOT_SOURCE_ENABLED_ONCE,
                mode=sushy.BOOT_SOURCE_MODE_UEFI,
            )

    def boot_as_ever(self) -> None:
        """No boot is from elsewhere any more. Some BMCs know no `Disabled`: the disk does as well."""
        with self._clear("keeps its boot override"):
            self._system.refresh(force=True)
            try:
                self._system.set_system_boot_options(enabled=sushy.BOOT_SOURCE_ENABLED_DISABLED)
            except refusals.HTTPError:
                self._system.set_system_boot_options(target=sushy.BOOT_SOURCE_TARGET_HDD)

    def insert(self, url: str, certificate: str) -> None:
        """Puts the image at `url` into its virtual CD, in place of what is there. `certificate` (PEM, or empty) is whom
        the BMC shall believe as its server, where it can be told."""
        drive = self._drive()
        with self._clear(f"does not take the image at {url.rpartition('/')[0]}/"):
            if drive.inserted:
                drive.eject_media()
            if certificate:
                self._believe(drive, certificate)
            drive.insert_media(url, inserted=True, write_protected=True)

    def inserted(self) -> str:
        """Where the image in its virtual CD is from; empty without one."""
        drive = self._drive()
        return str(drive.image or "") if drive.inserted else ""

    def eject(self) -> None:
        """Well when nothing is inserted."""
        drive = self._drive()
        with self._clear("does not eject its virtual CD"):
            if drive.inserted:
                drive.eject_media()

    def post(self, path: str, body: Json) -> None:
        """An action of a resource."""
        with self._clear(f"refuses {path.rpartition('/')[2]}"):
            self._connector.post(path, data=body)

    def _path(self, root: Any) -> str:
        paths: list[str] = list(root.get_system_collection().members_identities)
        own = [path for path in paths if not self.access.system or path.rstrip("/").endswith(f"/{self.access.system}")]
        if len(own) == 1:
            return own[0]
        known = ", ".join(f"`{path.rstrip('/').rpartition('/')[2]}`" for path in paths) or "none"
        raise AccessError(
            f"The BMC at {self.access.address} has {len(paths)} systems ({known}), and which is meant is not said.\n"
            "fix: write one of these as `bmc.system_id`"
        )

    def _drive(self) -> Any:
        with self._clear():
            for collection in self._collections():
                for drive in collection.get_members():
                    if any(kind in _CD for kind in drive.media_types or ()):
                        drive.refresh(force=True)
                        return drive
        raise BmcError(
            f"The BMC at {self.access.address} has no virtual media of type CD, so no image can be inserted.\n"
            "fix: enable virtual media there (some makes ask for a licence), or write `boot: pxe`"
        )

    def _collections(self) -> Iterator[Any]:
        # Since 2021 it belongs to the system; before, and with most makes still, to its manager.
        with suppress(refusals.MissingAttributeError, refusals.ResourceNotFoundError):
            yield self._system.virtual_media
        with suppress(refusals.MissingAttributeError, refusals.ResourceNotFoundError):
            for manager in self._system.managers:
                yield manager.virtual_media

    def _believe(self, drive: Any, certificate: str) -> None:
        # A BMC that cannot be told fetches over TLS from whoever answers: nothing is lost against plain HTTP.
        with suppress(refusals.SushyError):
            for known in drive.certificates.get_members():
                known.delete()
            drive.certificates.create_member(certificate, "PEM")
            drive.set_verify_certificate(True)

    def _close(self) -> None:
        with suppress(refusals.SushyError, requests.RequestException):
            self._auth.close()
        self._connector.close()

    @contextmanager
    def _clear(self, refusal: str = "does not answer as Redfish does") -> Iterator[None]:
        place = f"The BMC at {self.access.address}"
        try:
            yield
        except refusals.AccessError as error:
            raise AccessError(
                f"{place} refuses the user `{self.access.username}` ({error.status_code}).\n"
                "fix: write a user of the BMC with its password under `bmc`; the user needs the role Administrator"
            ) from error
        except refusals.ConnectionError as error:
            raise self._unconnected(place, error) from error
        except refusals.HTTPError as error:
            raise BmcError(f"{place} {refusal} ({error.status_code}): {_words(error)}") from error
        except (refusals.SushyError, ValueError) as error:
            raise BmcError(f"{place} {refusal}: {_words(error)}") from error

    def _unconnected(self, place: str, error: refusals.ConnectionError) -> BmcError:
        if not isinstance(error.__context__, requests.exceptions.SSLError):
            return SilentError(
                f"{place} does not answer: {_words(error)}\n"
                "fix: see whether it has power and network, and whether this computer may reach its management network"
            )
        shown = shown_fingerprint(self.access.address)
        if not shown:
            return AccessError(f"{place} speaks no TLS that we take: {_words(error)}\nfix: renew its firmware")
        if self.access.fingerprint:
            return AccessError(
                f"{place} shows the certificate with fingerprint {shown}, pinned is {self.access.fingerprint}. "
                "Nothing was sent to it.\n"
                f"fix: if its certificate was renewed, compare both at the BMC itself and write `fingerprint: {shown}`"
            )
        vouched = "`bmc.ca` does not vouch" if self.access.ca else "no authority that this computer trusts vouches"
        return AccessError(
            f"{place} shows a certificate for which {vouched}. Nothing was sent to it.\n"
            f"fix: compare the fingerprint {shown} at the BMC itself, then write it as `bmc.fingerprint`"
        )


def _words(error: BaseException) -> str:
    detail = getattr(error, "detail", None)
    return " ".join(str(detail or error).split())[:400]
