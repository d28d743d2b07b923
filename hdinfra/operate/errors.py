"""What goes wrong outside the user's spec, and how it is told.

OperateError            exit 1: keeps its cause, says what is still running and what to try
├── WorkspaceError      no project here, or no engine to drive it with
├── EngineError         the Pulumi engine ended badly
├── ContainersError     Docker or Podman cannot be reached or refused
├── NotServingError     everything is declared, yet something does not answer
├── SpecEditError       what was ordered does not fit the spec that is there: exit 2
├── ByolError           a bundle cannot be written, or not from that spec
├── ControlError        the management API refused, or no API machine answers
├── EdgeError           an entrance that there is not, or where nobody answers
├── MetalError          an installer image cannot be built, or a server not be reached
├── HealError           a heal is over its budget, or breaks what it may never do
│   └── LockedError     somebody else changes the stack, so nothing was begun: exit 75
├── LicenceFileError    a key, licence or ledger file that cannot be read, written or used as it is
└── InterruptedByUser   Ctrl-C, after the engine has ended cleanly: exit 130
"""


class OperateError(Exception):
    """The world's failure. `running` says what is still there, `retry` what to type next."""

    exit_code = 1

    def __init__(self, message: str, *, running: str = "", retry: str = "") -> None:
        self.message, self.running, self.retry = message, running, retry
        super().__init__(message)

    def __str__(self) -> str:
        lines = [self.message]
        if self.__cause__ is not None:
            lines.append(f"  cause: {self.__cause__}")
        if self.running:
            lines.append(f"  still running: {self.running}")
        if self.retry:
            lines.append(f"  try: {self.retry}")
        return "\n".join(lines)


class WorkspaceError(OperateError):
    """No project here, or no engine to drive it with."""


class EngineError(OperateError):
    """The Pulumi engine ended badly; the message carries its own words."""


class ContainersError(OperateError):
    """Docker or Podman cannot be reached or refused."""


class NotServingError(OperateError):
    """Everything is declared, yet something does not answer."""


class ControlError(OperateError):
    """The management API refused, or no API machine answers."""


class ByolError(OperateError):
    """A bundle cannot be written, or not from that spec."""


class EdgeError(OperateError):
    """An entrance that there is not, or where nobody answers."""


class MetalError(OperateError):
    """An installer image cannot be built, or a server of one's own not be reached."""


class HealError(OperateError):
    """A heal may not be done now: over its budget, or somebody else changes the stack."""


class LockedError(HealError):
    """Somebody else changes the stack: nothing was begun, and the same again may be well."""

    exit_code = 75  # EX_TEMPFAIL of sysexits(3)


class LicenceFileError(OperateError):
    """A key, licence or ledger file that cannot be read, written or used as it is."""


class SpecEditError(OperateError):
    """What was ordered does not fit the spec that is there."""

    exit_code = 2


class InterruptedByUser(OperateError):
    """Ctrl-C, after the engine has ended cleanly."""

    exit_code = 130
