"""Where a stack lives: project folder, state, passphrase, and the environment in which the engine runs."""

import os
import re
import secrets
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from hdinfra.operate.errors import WorkspaceError

PROJECT_FILE = "Pulumi.yaml"
NAMESPACE_KEY = "hdinfra:namespace"
_STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_EXPORTED = (
    "PULUMI_BACKEND_URL",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_SKIP_UPDATE_CHECK",
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
    "PATH",
)


def find_root(start: Path) -> Path:
    """The nearest folder, upwards from `start`, that holds a Pulumi.yaml."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise WorkspaceError(
        f"No {PROJECT_FILE} in {start.resolve()} or above it, so there is no project to work on.",
        retry="cd into the checkout, or give its folder with --directory",
    )


@dataclass(frozen=True, slots=True)
class Workspace:
    """One stack of one project. `outer` is the environment that the user came with; what they set wins."""

    root: Path
    stack: str
    outer: Mapping[str, str]

    @property
    def state(self) -> Path:
        """Ignored by git: file backend, passphrase, logs."""
        return self.root / ".state"

    @property
    def spec_file(self) -> Path:
        """What the user wrote."""
        return self.stacks / f"{self.stack}.yaml"

    @property
    def lock_file(self) -> Path:
        """What is held: reviewed and committed like any lock file."""
        return self.stacks / f"{self.stack}.lock.yaml"

    @property
    def config_file(self) -> Path:
        """The engine's own file of this stack; generated."""
        return self.stacks / f"Pulumi.{self.stack}.yaml"

    @property
    def stacks(self) -> Path:
        """Where specs, lock files and the engine's configuration lie."""
        return self.root / "stacks"

    @property
    def project(self) -> str:
        """The project's name, which is part of every URN."""
        return str(_yaml(self.root / PROJECT_FILE).get("name", ""))

    @property
    def backend(self) -> str:
        """Where the engine keeps its state; an already set one wins."""
        return self.outer.get("PULUMI_BACKEND_URL") or (self.state / "backend").as_uri()

    @property
    def has_backend(self) -> bool:
        """False where the state would lie in a folder that nobody has made yet: nothing was ever deployed."""
        return not self.backend.startswith("file://") or Path(self.backend.removeprefix("file://")).is_dir()

    @property
    def environment(self) -> dict[str, str]:
        """What the engine runs in; the user's own settings win."""
        own = {"PULUMI_BACKEND_URL": self.backend}
        if not self.outer.get("PULUMI_CONFIG_PASSPHRASE"):
            own["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(self.state / "passphrase")
        given = {name: value for name, value in self.outer.items() if value}
        fixed = {
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PATH": _with_our_bin(self.outer.get("PATH", os.defpath)),
        }
        return {**own, **given, **fixed}

    @property
    def exports(self) -> str:
        """Shell lines for `eval`, every path absolute, after which plain `pulumi` works."""
        environment = self.environment
        return "\n".join(f"export {n}={shlex.quote(environment[n])}" for n in _EXPORTED if n in environment)

    @property
    def namespace(self) -> str | None:
        """What starts the name of every container and network of this stack; None before the first `up`."""
        config = _yaml(self.config_file).get("config")
        value = config.get(NAMESPACE_KEY) if isinstance(config, dict) else None
        return str(value) if value else None

    def prepare(self) -> None:
        """Make the folders and the passphrase that the environment names."""
        if self.backend.startswith("file://"):
            Path(self.backend.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        (self.state / "logs").mkdir(parents=True, exist_ok=True)
        passphrase = self.state / "passphrase"
        if not passphrase.exists():
            write_atomically(passphrase, secrets.token_urlsafe(32) + "\n", mode=0o600)

    def pulumi(self) -> str:
        """Path of the engine's command line."""
        found = shutil.which("pulumi", path=self.environment["PATH"])
        if found is None:
            raise WorkspaceError(
                "No `pulumi` beside this Python or on PATH, so nothing can be deployed.",
                retry="make setup, or install Pulumi 3.250 or newer",
            )
        return found


def open_workspace(directory: Path | None, stack: str) -> Workspace:
    """The stack's workspace, from the folder given or the current one upwards."""
    if not _STACK_NAME.fullmatch(stack):
        raise WorkspaceError(
            f"`{stack[:40]!r}` cannot name a stack: it becomes part of file names.",
            retry="--stack with a-z, 0-9 and hyphens, letter first, such as --stack local",
        )
    return Workspace(find_root(directory or Path.cwd()), stack, dict(os.environ))


def write_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Whole or not at all, even when the power goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _with_our_bin(path: str) -> str:
    # The interpreter itself may be a link into another folder; its scripts lie beside the link.
    own = str(Path(sys.executable).parent)
    return os.pathsep.join([own, *(part for part in path.split(os.pathsep) if part and part != own)])


def _yaml(path: Path) -> dict[str, object]:
    try:
        loaded = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    return loaded if isinstance(loaded, dict) else {}
