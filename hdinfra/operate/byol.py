"""Writes what a customer installs machines from: a folder each, with checksums, and on demand a seed ISO; and the code
that machines on clouds fetch."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from hdinfra.licence.licence import Licence, LicenceError, opened
from hdinfra.licence.seats import Ledger, Seat, take
from hdinfra.machine.bundle import keep_bundle, unmanaged_bundle
from hdinfra.machine.installer import SEED, SUMS, bundle_files, checksums
from hdinfra.machine.roles import machine_of
from hdinfra.machine.unmanaged import brought_along, unmanaged
from hdinfra.model.byol import ByolSpec
from hdinfra.model.byol_planner import ByolPlan
from hdinfra.model.plan import MachinePlan
from hdinfra.model.refusal import RefusedError
from hdinfra.operate.errors import ByolError
from hdinfra.planning import licence_refusal
from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.licence.ledger import LedgerFile

ISO = "seed.iso"
_STACK = "bundles"
"""Whose seats these are in a ledger that stacks may share. A second spec of the same name has `bundles:FILE`, which no
stack can be called."""
Maker = tuple[str, ...]
"""A program that writes an ISO image, with its first arguments."""
_MAKERS: Mapping[str, Maker] = {"xorriso": ("-as", "mkisofs", "-quiet"), "genisoimage": ("-quiet",)}
"""Programs that write an ISO image, with the arguments after which both take the same."""


@dataclass(frozen=True, slots=True)
class Written:
    """One machine's folder. `sums` is the SHA-256 of its SHA256SUMS: one line to compare, on paper if need be."""

    machine: str
    folder: str
    sums: str
    iso: str | None

    def as_json(self) -> dict[str, str | None]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Code:
    """The archive that Machines fetch. `url`: where they will ask for it, None where the spec has no `code_url`."""

    file: str
    sha256: str
    bytes: int
    url: str | None

    def as_json(self) -> dict[str, str | int | None]:
        """For `--json`."""
        return asdict(self)


def write_code(spec: ByolSpec, out: Path) -> Code:
    """What the Machines of that spec fetch at their first boot, in `out` under its digest. The same bytes wherever this
    version of hdinfra is installed, so a stack that declares the spec knows which file it is. ByolError where it cannot
    be written, or lies there already and is another."""
    bundle = unmanaged_bundle(str(spec.app))
    try:
        path = keep_bundle(bundle, out)
        is_whole = path.read_bytes() == bundle.content
        path.chmod(0o644)  # whoever serves the folder is somebody else
    except OSError as error:
        raise ByolError(f"`{out}` cannot be written.", retry="another folder with --out") from error
    if not is_whole:
        raise ByolError(f"`{path}` is there and is not what its name says.", retry="remove it, and try again")
    url = f"{spec.code_url.rstrip('/')}/{bundle.file_name}" if spec.code_url else None
    return Code(str(path), bundle.sha256, len(bundle.content), url)


def take_seats(plan: ByolPlan, licence_text: str, spec: Path, now: float) -> None:
    """A seat for each Machine, in the ledger beside the spec; again for the same Machines changes nothing. Two specs
    are never the same Machines, though they name them alike: each has seats of its own.

    RefusedError when there are not enough, ByolError when the ledger cannot be used. Nothing tells when an installed
    machine is gone: its entry is taken out of the ledger by hand.
    """
    licence, author = opened(licence_text, plan.vendor_key), _author(plan, spec)

    def seated(ledger: Ledger) -> Ledger:
        for slot in range(len(plan.machines)):
            ledger = take(ledger, _seat(plan, slot, licence, author, ledger, now), licence, now)
        return ledger

    try:
        LedgerFile(str(spec.parent / plan.ledger)).change(Call(name=plan.name), seated)
    except LicenceError as error:
        raise RefusedError([licence_refusal(error)]) from error
    except PluginError as error:
        raise ByolError(str(error)) from error


def _author(plan: ByolPlan, spec: Path) -> str:
    """Which spec it is: its path as the ledger's folder sees it, so that a checkout elsewhere is the same one. A ledger
    with an absolute path sees the file's name alone."""
    if Path(plan.ledger).is_absolute():
        return spec.name
    return os.path.relpath(spec, (spec.parent / plan.ledger).parent)


def _seat(  # noqa: PLR0913, PLR0917  what it is, whose, and where and when it is taken
    plan: ByolPlan, slot: int, licence: Licence, author: str, ledger: Ledger, now: float
) -> Seat:
    """The seat that this spec has in the ledger, or a new one. Takings name their spec. Those of earlier versions did
    not: such a seat keeps its key, and is of the spec that asks first."""
    app, taking = str(plan.instance.app), f"bundle/{author}/{plan.name}/{slot}"
    found = ledger.at((_STACK, plan.name, slot))
    of_nobody = found is not None and found.taking == f"bundle-{plan.name}-{slot}"
    stack = _STACK if found is None or of_nobody or found.taking == taking else f"{_STACK}:{author}"
    since = found.since if found and of_nobody else int(now)
    return Seat(stack, plan.name, slot, app, licence.id, taking, since)


def check_bundles(plan: ByolPlan, *, iso: bool) -> Maker | None:
    """What is needed before a seat is taken: a plan whose machines are installed and, on demand, what writes an ISO."""
    if not plan.installs:
        raise ByolError(
            f"`{plan.name}` stands in a data centre of `{plan.machines[0].provider}`, where a stack deploys it.",
            retry="`pulumi up` with stacks/byol.py; or write `install: true` in place of `provider` and `region`",
        )
    return iso_maker() if iso else None


def write_bundles(plan: ByolPlan, out: Path, maker: Maker | None = None) -> tuple[Written, ...]:
    """A folder a Machine in `out`, whole or as it was before. ByolError where one cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        return tuple(_write(plan, machine, out, maker) for machine in plan.machines)
    except OSError as error:
        raise ByolError(f"`{out}` cannot be written.", retry="another folder with --out") from error


def _write(plan: ByolPlan, machine: MachinePlan, out: Path, maker: Maker | None) -> Written:
    target = out / machine.name
    if target.exists() and not (target / SUMS).is_file():
        raise ByolError(f"`{target}` is there and is no bundle.", retry="another folder with --out, or remove it")
    described = unmanaged(machine_of(plan.name, machine))
    files = bundle_files(described, brought_along(machine.role, plan.policy))
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{machine.name}.") as temporary:
        whole = Path(temporary) / "whole"
        _lay(files, whole)
        if maker:
            files = {**files, ISO: seed_iso(maker, whole)}
        sums = checksums(files)
        (whole / SUMS).write_text(sums)
        if target.exists():
            target.rename(Path(temporary) / "former")
        whole.rename(target)
    told = sha256(sums.encode()).hexdigest()
    return Written(machine.name, str(target), told, str(target / ISO) if maker else None)


def _lay(files: Mapping[str, bytes], folder: Path) -> None:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o755 if path.endswith(".sh") else 0o644)
        os.utime(file, (0, 0))  # an ISO image holds its files' dates


def iso_maker() -> Maker:
    """What is installed here, ByolError where nothing is."""
    for name, arguments in _MAKERS.items():
        if found := shutil.which(name):
            return (found, *arguments)
    raise ByolError(
        f"No program here writes an ISO image; one of {', '.join(_MAKERS)} is needed.",
        retry="apt-get install xorriso; or leave --iso out and attach the folder `seed` as a medium labelled `cidata`",
    )


def seed_iso(maker: Maker, folder: Path) -> bytes:
    """An image of the seed in that folder, under the label that cloud-init looks for (NoCloud)."""
    seeds = [str(folder / path) for path in SEED]
    done = subprocess.run(  # noqa: S603  a program found on PATH, with arguments of ours
        [*maker, "-output", str(folder / ISO), "-volid", "cidata", "-joliet", "-rock", *seeds],
        env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ByolError(f"{maker[0]} ended with {done.returncode}: {done.stderr.strip()}", retry="leave --iso out")
    return (folder / ISO).read_bytes()
