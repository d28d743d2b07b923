"""The ledger's file: locked while it changes, written whole, readable by its owner alone."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hdinfra.licence.seats import Ledger, LedgerDamagedError, ledger_of, ledger_text
from hdinfra.plugins.kind import Call, PluginError

LOCK_SECONDS = 60.0
_RETRY_SECONDS = 0.05


class LedgerFile:
    """One customer's ledger. A file that is not there is an empty one; all that goes wrong is a PluginError."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        with self._clear_errors():
            # A link is followed, or writing whole would put a file in its place.
            self.path = self.path.resolve()

    def exists(self) -> bool:
        """Whether there is one at all."""
        with self._clear_errors():
            return self.path.exists()

    def read(self) -> Ledger:
        """As it is now, without waiting for anybody: a file that is written whole is always whole."""
        with self._clear_errors():
            try:
                return ledger_of(self.path.read_text("utf-8"))
            except FileNotFoundError:
                return Ledger()

    def change(self, call: Call, deed: Callable[[Ledger], Ledger]) -> Ledger:
        """Apply `deed` to it while nobody else can; it is on the disk when this returns."""
        with self._clear_errors(), self._locked(call):
            before = self.read()
            after = deed(before)
            if after != before:
                _write_whole(self.path, ledger_text(after))
            return after

    @contextmanager
    def _locked(self, call: Call) -> Iterator[None]:
        # Beside the ledger, not on it: the ledger's own file is another one after each change.
        descriptor = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not call.wait_for(lambda: _lock(descriptor), within=LOCK_SECONDS, every=_RETRY_SECONDS):
                raise PluginError(
                    f"The ledger `{self.path}` has been locked by another run for {LOCK_SECONDS:g} s.\n"
                    "fix: wait until that run has ended, then run again"
                )
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except (LedgerDamagedError, UnicodeDecodeError) as damaged:
            raise PluginError(
                f"The ledger `{self.path}` is damaged: {damaged}. It was left as it is.\n"
                f"fix: bring back a copy of it; without one, `mv '{self.path}' '{self.path}.damaged'` and then "
                "`pulumi up --refresh`, which takes this stack's seats anew"
            ) from None
        except (OSError, RuntimeError) as error:  # RuntimeError: pathlib's word for links in a circle
            raise PluginError(
                f"The ledger `{self.path}` cannot be used: {error}.\n"
                "fix: name a file in a folder that exists and that you may write to"
            ) from error


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_whole(target: Path, text: str) -> None:
    half = target.with_name(f".{target.name}.half")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
