"""A BMC to talk to: sushy-tools' emulator as it is, over TLS and with a password, in front of servers that are a few
lines each. What the emulator does not have (power supplies, erasing drives, faults) is laid over its answers."""

import hashlib
import io
import json
import logging
import re
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources import chassis, drives, indicators, managers, storage, vmedia, volumes
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from hdinfra.plugins.metal.self_signed import self_signed

USER, PASSWORD = "operator", "a password of the tests"
Json = dict[str, Any]
Amend = Callable[[Json], Json]


@dataclass
class StandInServer:
    """`booted` is told from what it boots, and the path of the image in its drive where there is one. It does as it is
    told at once, but for what `deaf` names."""

    name: str
    macs: list[str] = field(default_factory=lambda: ["52:54:00:00:00:01", "52:54:00:00:00:02"])
    power: str = "Off"
    booted: Callable[[str, Path | None], None] = lambda _source, _image: None
    left: int = -1
    deaf: set[str] = field(default_factory=set)
    source: str = "Hdd"
    mode: str = "UEFI"
    image: Path | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    boots: list[str] = field(default_factory=list)
    looks_before_cut: list[int] = field(default_factory=list)
    """For each boot that is cut short: how often its power is seen on before it is off."""

    def seen(self) -> str:
        """What its BMC says of its power."""
        if self.power == "On" and self.left == 0:
            self.power = "Off"
        self.left -= 1
        return self.power

    def eject(self) -> None:
        """Its drive is empty."""
        self.image = None

    def turn(self, state: str) -> None:
        """As the emulator was asked; from what it boots counts once."""
        if state in self.deaf:
            return
        self.power = "On" if state in ("On", "ForceOn") else "Off"
        if self.power == "On":
            source, self.source = self.source, "Hdd"
            self.boots.append(source)
            self.left = self.looks_before_cut.pop(0) if self.looks_before_cut else -1
            self.booted(source, self.image)


class StandInServers(AbstractSystemsDriver):
    """The emulator's view of them."""

    def __init__(self, servers: list[StandInServer]) -> None:
        self.by_uuid = {server.uuid: server for server in servers}

    driver = "<stand-in>"

    @property
    def systems(self) -> list[str]:
        return list(self.by_uuid)

    def _get(self, identity: str) -> StandInServer:
        if identity not in self.by_uuid:
            raise error.NotFound(f"no system {identity}")
        return self.by_uuid[identity]

    def uuid(self, identity: str) -> str:
        return self._get(identity).uuid

    def name(self, identity: str) -> str:
        return self._get(identity).name

    def get_power_state(self, identity: str) -> str:
        return self._get(identity).seen()

    def set_power_state(self, identity: str, state: str) -> None:
        self._get(identity).turn(state)

    def get_boot_device(self, identity: str) -> str:
        return self._get(identity).source

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        self._get(identity).source = boot_source

    def get_boot_mode(self, identity: str) -> str:
        return self._get(identity).mode

    def set_boot_mode(self, identity: str, boot_mode: str) -> None:
        self._get(identity).mode = boot_mode

    def get_boot_image(self, identity: str, _device: str) -> Any:
        image = self._get(identity).image
        return image, True, bool(image)

    def set_boot_image(self, identity: str, _device: str, boot_image: str | None = None, **_: Any) -> None:
        server = self._get(identity)
        if boot_image:
            server.image = Path(boot_image)
        else:
            server.eject()

    def get_nics(self, identity: str) -> list[Json]:
        return [{"id": mac, "mac": mac} for mac in self._get(identity).macs]


@dataclass
class Overlay:
    """Over the emulator's answers, behind its password: `answers` instead of it, `amends` after it, by path."""

    app: Any
    answers: dict[tuple[str, str], tuple[int, Json]] = field(default_factory=dict)
    amends: dict[str, Amend] = field(default_factory=dict)
    left: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: list[tuple[str, str, Json]] = field(default_factory=list)

    def __call__(self, environ: Any, start: Any) -> Any:
        request = Request(environ)
        environ["wsgi.input"] = io.BytesIO(request.get_data())  # whoever reads it takes it away
        body = json.loads(request.get_data() or "{}")
        self.asked.append((request.method, request.path, body))
        for (method, pattern), (status, answer) in self.answers.items():
            if method == request.method and re.fullmatch(pattern, request.path) and self._counts(method, pattern):
                return Response(json.dumps(answer), status, content_type="application/json")(environ, start)
        response = Response.from_app(self.app, environ)
        for pattern, amend in self.amends.items():
            if request.method == "GET" and re.fullmatch(pattern, request.path) and response.status_code == 200:
                response.set_data(json.dumps(amend(json.loads(response.get_data()))))
        return response(environ, start)

    def _counts(self, method: str, pattern: str) -> bool:
        if (method, pattern) not in self.left:
            return True
        self.left[method, pattern] -= 1
        return self.left[method, pattern] >= 0


@dataclass
class EmulatedBmc:
    """Where it is, whom it is, and what stands behind it."""

    address: str
    certificate: bytes
    servers: list[StandInServer]
    overlay: Overlay
    media: Any

    @property
    def server(self) -> StandInServer:
        return self.servers[0]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.decode())).hexdigest()

    def access(self, **changes: Any) -> Json:
        """The input `bmc`."""
        plain = {"address": self.address, "username": USER, "password": PASSWORD, "fingerprint": self.fingerprint}
        return {**plain, **changes}

    def inserted(self) -> str:
        """Where the image in the CD is from."""
        return str(self.media.get_device_image_info(self.server.uuid, "Cd").image_url)

    def amend(self, pattern: str, amend: Amend) -> None:
        self.overlay.amends[pattern] = amend

    def answer(self, method: str, pattern: str, status: int, answer: Json) -> None:
        self.overlay.answers[method, pattern] = (status, answer)

    def refuse(self, method: str, pattern: str, status: int, message: str, times: int = 1_000_000) -> None:
        """As Redfish says no, so many times."""
        self.overlay.left[method, pattern] = times
        self.answer(method, pattern, status, {"error": {"code": "Base.1.0.GeneralError", "message": message}})

    def supplies(self, *health: str) -> None:
        """Power supplies `PSU 1`, `PSU 2`, ... of that health, as most BMCs show them."""
        found = [
            {"MemberId": str(n), "Name": f"PSU {n}", "SerialNumber": f"P{n}", "LastPowerOutputWatts": 180,
             "Status": {"State": "Enabled", "Health": one}}
            for n, one in enumerate(health, 1)
        ]  # fmt: skip
        self.amend(r"/redfish/v1/Chassis/[^/]+", lambda told: {**told, "Power": {"@odata.id": "/redfish/v1/Power"}})
        self.answer("GET", "/redfish/v1/Power", 200, {"Id": "Power", "Name": "Power", "PowerSupplies": found})

    def disk(self, name: str, **changes: Any) -> None:
        """What the emulator's drive of that name says otherwise."""
        self.amend(rf"/redfish/v1/Systems/[^/]+/Storage/1/Drives/{name}", lambda told: {**told, **changes})


@contextmanager
def emulated(servers: list[StandInServer], folder: Path, disks: tuple[str, ...] = ("disk0", "disk1")) -> Iterator[Any]:
    """On 127.0.0.1. The emulator is one per process, so one of these at a time."""
    key, certificate = self_signed("127.0.0.1", "a BMC")
    (folder / "bmc.pem").write_bytes(key + certificate)
    secret = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{USER}:{secret}\n")
    systems = StandInServers(servers)
    media = _behind(systems, folder, disks)
    overlay = Overlay(emulator.app.wsgi_app)
    guarded = emulator.RedfishAuthMiddleware(overlay, str(folder / "htpasswd"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "bmc.pem")
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    http = make_server("127.0.0.1", 0, guarded, threaded=True, ssl_context=tls)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield EmulatedBmc(f"https://127.0.0.1:{http.server_port}", certificate, servers, overlay, media)
    finally:
        for server in servers:
            media.eject_image(server.uuid, "Cd")
        http.shutdown()
        thread.join()
        http.server_close()


def _behind(systems: StandInServers, folder: Path, disks: tuple[str, ...]) -> Any:
    # The emulator keeps its drivers for the life of its process: here each emulation has its own.
    logger = emulator.app.logger
    logger.setLevel(logging.CRITICAL)
    config = {
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_STORAGE": {one: [_controller(disks)] for one in systems.systems},
        "SUSHY_EMULATOR_DRIVES": {(one, "1"): [_drive(name) for name in disks] for one in systems.systems},
    }
    rack = chassis.StaticDriver(config, logger)
    media = vmedia.StaticDriver(config, logger)
    drivers = {
        "systems": systems,
        "chassis": rack,
        "managers": managers.FakeDriver(config, logger, systems, rack),
        "indicators": indicators.StaticDriver(config, logger),
        "storage": storage.StaticDriver(config, logger),
        "drives": drives.StaticDriver(config, logger),
        "volumes": volumes.StaticDriver(config, logger),
        "vmedia": media,
    }
    for name, driver in drivers.items():
        setattr(emulator.Application, name, property(lambda _, driver=driver: driver))
    return media


def _controller(disks: tuple[str, ...]) -> Json:
    return {
        "Id": "1",
        "Name": "Local Storage Controller",
        "StorageControllers": [{"MemberId": "0", "Name": "Contoso Integrated RAID", "SpeedGbps": 12}],
        "Drives": list(disks),
    }


def _drive(name: str) -> Json:
    return {"Id": name, "Name": f"Drive {name}", "CapacityBytes": 480 * 1024**3, "Protocol": "SATA"}
