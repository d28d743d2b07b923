"""The management API: nginx with TLS on port 9000 before FastAPI on 127.0.0.1:9001."""

from hdinfra.machine.apps import base
from hdinfra.machine.machine import File, Firewall, Machine, Unit, User
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan


def control_machine(zone: str, plan: MachinePlan) -> Machine:
    """One API machine. Port 9000 is for admin networks and the Zone's machines alone (row A18)."""
    return Machine(
        identity=base.identity(zone, plan),
        packages=(*base.PACKAGES, "nginx", "python3-fastapi", "python3-sqlalchemy", "python3-uvicorn"),
        files=(
            *base.FILES,
            File("/etc/hdinfra/nginx.conf", asset("control-nginx.conf")),
            File("/usr/lib/hdinfra/hdinfra-control", asset("hdinfra-control"), 0o755),
        ),
        units=(
            *base.UNITS,
            Unit("hdinfra-control-setup.service", content=asset("hdinfra-control-setup.service")),
            Unit("hdinfra-control.service", content=asset("hdinfra-control.service")),
            Unit("hdinfra-control-tls.path", content=asset("hdinfra-control-tls.path")),
            Unit("hdinfra-control-tls.service", content=asset("hdinfra-control-tls.service"), enabled=False),
            Unit("nginx.service", drop_in=asset("control-nginx.service.conf")),
        ),
        firewall=Firewall(restricted_tcp={9000: "callers"}, api_users=("root", "hdinfra-control")),
        health=base.HEALTH,
        users=(User("hdinfra-control"),),
        sysctls=base.SYSCTLS,
    )
