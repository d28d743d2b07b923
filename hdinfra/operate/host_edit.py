"""The inventory's text before and after a host has moved to another server. Pure."""

import yaml

from hdinfra.model.hardware.replacement import Replacement
from hdinfra.operate.site_edit import Edit, text_of
from hdinfra.operate.yaml_splice import appended, items_of, removed, tree, value_of, with_scalar


def move_host(replacement: Replacement) -> Edit:
    """The host's line `server:` names the spare and `spares` does so no more; where the old server is well, it does."""

    def edit(text: str) -> str:
        if replacement.is_done:
            return text
        text = with_scalar(text, _host(tree(text), replacement.host), "server", replacement.new, after="name")
        text = _without_spare(text, replacement.new)
        return appended(text, tree(text), "spares", replacement.old) if replacement.old in replacement.spares else text

    return edit


def _host(top: yaml.MappingNode, name: str) -> yaml.MappingNode:
    return next(
        node for node in items_of(top, "hosts") if isinstance(node, yaml.MappingNode) and text_of(node, "name") == name
    )


def _without_spare(text: str, spare: str) -> str:
    top = tree(text)
    spares = value_of(top, "spares")
    found = [index for index, node in enumerate(items_of(top, "spares")) if node.value == spare]
    return removed(text, top, "spares", found[0]) if spares is not None and found else text
