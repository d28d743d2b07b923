"""Runs a program against a recording monitor: a fresh event loop and fresh settings each time."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any

from pulumi.runtime import mocks, settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.stack import run_in_stack

from hdinfra.protocol.seal import public_of
from hdinfra.testing.graph import Graph
from hdinfra.testing.hetzner import HETZNER, HETZNER_INVOKES
from hdinfra.testing.linode import LINODE
from hdinfra.testing.monitor import Invoke, Outputs, RecordingEngine, RecordingMonitor


def _machine(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "container": f"recorded-{name}",
        "containerId": f"{name}-made-once",
        "ipv4": inputs["networks"][0]["ipv4"],
        "ipv6": inputs["networks"][0]["ipv6"],
        "running": True,
    }


LOCAL_CLOUD: Mapping[str, Outputs] = {
    "hdlocal:index:Image": lambda name, _: {"tag": f"recorded/{name}"},
    "hdlocal:index:Network": lambda name, _: {"networkName": f"recorded-{name}"},
    "hdlocal:index:Machine": _machine,
    "hdlocal:index:Bundle": lambda _, inputs: {"fileName": f"{inputs['sha256']}.tar"},
}
"""What the local cloud's provider adds to the inputs; give your own for other providers."""

_KEY = base64.b64encode(bytes(32)).decode()
CONTROL_PLANE: Mapping[str, Outputs] = {
    "hdpolicy:index:Keys": lambda *_: {
        "signingKey": _KEY,
        "signer": public_of(_KEY),
        "root": "recorded root",
        "rootKey": "recorded root key",
        "adminToken": "recorded token",
        "tokenHash": "recorded hash",
    },
    "hdpolicy:index:Authority": lambda *_: {"certificate": "recorded authority", "endsAt": 0},
    "hdpolicy:index:Policy": lambda name, _: {"number": 1, "digest": f"{name}-digest", "serving": True, "silent": []},
    "hdpolicy:index:SiteAuthority": lambda *_: {"certificate": "recorded authority", "key": "recorded site key"},
    "hdpolicy:index:AcmeAccount": lambda *_: {"key": "recorded account key", "thumbprint": "recorded".ljust(43, "-")},
    "hdpolicy:index:Certificates": lambda *_: {"certificates": {}, "endsAt": {}, "shown": True},
}
"""What the control plane's provider adds. The key is nobody's: 32 zero bytes."""

LICENCES: Mapping[str, Outputs] = {"hdlicence:index:Seat": lambda *_: {"licenceId": "recorded", "expires": 0}}
"""What the licence's provider adds."""


class Recorder:
    """Call it with a program: a function that declares resources. What goes wrong in the program is raised.

    `outputs` by type token say what providers answer, `invokes` by token what functions return, `config` what the
    stack's configuration holds (`hdinfra:namespace`, ...).
    """

    def __init__(  # noqa: PLR0913  one keyword for each thing that a stack gives its program
        self,
        *,
        project: str = "project",
        stack: str = "stack",
        config: Mapping[str, str] | None = None,
        outputs: Mapping[str, Outputs] | None = None,
        invokes: Mapping[str, Invoke] | None = None,
        preview: bool = False,
    ) -> None:
        self.project = project
        self.stack = stack
        self.config = dict(config or {})
        self.outputs = {**LOCAL_CLOUD, **CONTROL_PLANE, **LICENCES, **HETZNER, **LINODE, **(outputs or {})}
        self.invokes = {**HETZNER_INVOKES, **(invokes or {})}
        self.preview = preview
        self.failed: Graph | None = None

    def __call__(self, program: Callable[[], object]) -> Graph:
        """The graph of one run. If the program raises, `failed` holds what was registered until then."""
        monitor = RecordingMonitor(f"urn:pulumi:{self.stack}::{self.project}", self.outputs, self.invokes)
        engine = RecordingEngine()
        self.failed = None
        try:
            self._run(program, monitor, engine)
        except BaseException:
            self.failed = monitor.graph(tuple(engine.messages))
            raise
        return monitor.graph(tuple(engine.messages))

    def _run(self, program: Callable[[], object], monitor: RecordingMonitor, engine: RecordingEngine) -> None:
        def once() -> None:
            # What a program returns is not awaited: it is no part of what it registered.
            program()

        fresh: Any = mocks.MockSettings
        settings.reset_options()
        settings.configure(
            fresh(
                monitor=monitor,
                monitor_features=set(),
                engine=engine,
                project=self.project,
                stack=self.stack,
                dry_run=self.preview,
                organization="organization",
                callbacks=None,
            )
        )
        set_all_config(self.config)
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(run_in_stack(once))
        finally:
            _end_what_is_left(loop)
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            set_all_config({})
            settings.reset_options()


def _end_what_is_left(loop: asyncio.AbstractEventLoop) -> None:
    """A program that raises leaves what waits for its outputs; ended here, none of it reaches the next test.

    What ends may begin something new, which would wait for the same and is ended as well.
    """
    while left := asyncio.all_tasks(loop):
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
