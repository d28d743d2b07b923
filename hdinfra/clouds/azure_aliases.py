"""Azure's SDK without its older names: it tells the engine what each type was called in every version of the API.

Some sixty aliases a resource, each worked out and sent, cost ten times what the registration itself does (bench figure
`azure-aliases`). No stack of ours was ever made under one of those names.
"""

import copy
import re

import pulumi

_OLDER = re.compile(r"azure-native:\w+/v\d\w*:\w+")
"""A type under one version of the API, which our own aliases never name."""


def as_named_today(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    """Options of one resource of Azure's, which drops those aliases before the SDK works them out.

    A transformation is run by the resource's own constructor, after its class has added them: nothing of the SDK is
    changed, and resources of others in the same program keep theirs.
    """
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(transformations=[_without_older]))


def _without_older(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    kept = [alias for alias in args.opts.aliases or () if not _is_older(alias)]
    if len(kept) == len(args.opts.aliases or ()):
        return None
    opts = copy.copy(args.opts)
    opts.aliases = kept
    return pulumi.ResourceTransformationResult(args.props, opts)


def _is_older(alias: object) -> bool:
    return (
        isinstance(alias, pulumi.Alias) and isinstance(alias.type_, str) and _OLDER.fullmatch(alias.type_) is not None
    )
