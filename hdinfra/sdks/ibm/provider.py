"""Whose account, in which region."""

import pulumi

from hdinfra.sdks.ibm.package import PACKAGE, package


class Provider(pulumi.ProviderResource):
    """One region. Without a key, the environment's is taken: `IC_API_KEY` or `IBMCLOUD_API_KEY`.

    `resource_group`: the number of the group for what names none.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        region: pulumi.Input[str] | None = None,
        ibmcloud_api_key: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "region": region,
            "ibmcloudApiKey": None if ibmcloud_api_key is None else pulumi.Output.secret(ibmcloud_api_key),
            "resourceGroup": resource_group,
        }
        super().__init__(PACKAGE, resource_name, inputs, opts, package_ref=package())
