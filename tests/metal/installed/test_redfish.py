"""A blank server is installed through Redfish: the plugin, an emulated BMC, firmware, our installer, and its end."""

from tests.metal.rack_install import Installed
from tests.metal.rack_looks import WHOLE
from tests.metal.rack_redfish import PLAN, WANTED, Ordered


def test_a_blank_server_is_installed_through_its_bmc_and_reports_its_profile(
    through_bmc: tuple[Ordered, Installed],
) -> None:
    told, _ = through_bmc
    assert (told.resource_id, told.state["installed"], told.state["power"]) == (PLAN.name, WANTED, "On")
    assert (told.boots, told.tidy) == (["Cd"], True)
    assert told.medium_read != 0, "the medium is still in"
    assert told.mirrors == WHOLE


def test_another_run_finds_it_installed_and_boots_nothing(through_bmc: tuple[Ordered, Installed]) -> None:
    told, _ = through_bmc
    assert (told.again["installed"], told.boots) == (WANTED, ["Cd"])
