"""The inventory of examples/rack as plain data, changed and checked."""

import copy
from pathlib import Path

import yaml

from hdinfra.model.hardware.checked import checked
from hdinfra.model.hardware.inventory import Inventory
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.typed import validated
from tests.model.legal import Change, Data

EXAMPLE = Path(__file__).parents[2] / "examples/rack"
_LEGAL: Data = yaml.safe_load((EXAMPLE / "hardware.yaml").read_text())


def rack(*changes: Change) -> Data:
    """A fresh copy of the example's data with these changes."""
    data = copy.deepcopy(_LEGAL)
    for change in changes:
        change(data)
    return data


def spec_of(*changes: Change) -> HardwareSpec:
    """The example's spec with these changes."""
    return validated(HardwareSpec, rack(*changes))


def inventory(*changes: Change) -> Inventory:
    """Through the one door; RefusedError with every refusal."""
    return checked(spec_of(*changes))
