"""The licence's SDK: what a program registers, and what `pulumi-resource-hdlicence` realises."""

from typing import Any

import pulumi

_TO_PYTHON = {"licenceId": "licence_id", "publicKey": "public_key"}
_TO_ENGINE = {ours: engines for engines, ours in _TO_PYTHON.items()}


class Provider(pulumi.ProviderResource):
    """The licence's provider; it has no configuration."""

    def __init__(self, resource_name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdlicence", resource_name, {}, opts)


class Seat(pulumi.CustomResource):
    """One machine's place under a licence; let the machine depend on it.

    `ledger` is the path of a file of the customer's own, relative to the folder of the project's program; `licence`
    the text of the file that the vendor issued, no secret; `public_key` the vendor's, in base64. `slot` counts from 0
    within `instance`. `licence_id` and `expires` (seconds since 1970) are the licence's. A renewed licence is taken in
    place. Nothing calls home: stacks with a ledger each are counted each for itself, those that share one together.
    """

    licence_id: pulumi.Output[str]
    expires: pulumi.Output[int]

    def __init__(  # noqa: PLR0913
        self,
        resource_name: str,
        *,
        ledger: pulumi.Input[str],
        licence: pulumi.Input[str],
        public_key: pulumi.Input[str],
        instance: pulumi.Input[str],
        slot: pulumi.Input[int],
        app: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "ledger": ledger,
            "licence": licence,
            "public_key": public_key,
            "instance": instance,
            "slot": slot,
            "app": app,
            "licence_id": None,
            "expires": None,
        }
        super().__init__("hdlicence:index:Seat", resource_name, props, opts)

    def translate_output_property(self, prop: str) -> str:
        """From the engine's camel case to ours."""
        return _TO_PYTHON.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        """From our names to the engine's camel case."""
        return _TO_ENGINE.get(prop, prop)
