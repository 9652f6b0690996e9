"""policy.yaml as data; marketing is never implied and protected content never travels in the open."""

from __future__ import annotations

from gateway import yamlfile
from gateway.model.consent import ChannelKind, ConsentKind, Purpose
from gateway.model.errors import ConfigError
from gateway.model.facts import Sensitivity
from gateway.model.policy import Basis, Cap, Policy
from gateway.ruleset.conditions import list_name
from gateway.ruleset.list_file import Lists
from gateway.ruleset.policy_schema import PolicyFile
from gateway.ruleset.words import ListName
from gateway.yamlfile import Node


def read_policy(node: Node, lists: Lists) -> Policy:
    """policy.yaml as data; `lists` are those of lists.yaml. Raises ConfigError."""
    file = yamlfile.validate_node(PolicyFile, node)
    for number, entry in enumerate(file.basis):
        if "texts" in entry.kinds and entry.channel is not ChannelKind.SMS:
            line, column = node.at("basis", number, "kinds")
            raise ConfigError(
                f"{node.file}:{line}:{column}: consent to `texts` is by sms, never by {entry.channel.value}"
            )
    return Policy(
        version=file.version,
        basis=tuple(
            Basis(
                purpose=Purpose(b.purpose),
                channel=b.channel,
                topic=b.topic,
                because=b.because,
                kinds=tuple(ConsentKind(kind) for kind in b.kinds),
            )
            for b in file.basis
        ),
        quiet_hours={
            channel: (0, 0) if hours == "none" else (hours.start, hours.end)
            for channel, hours in file.quiet_hours.items()
        },
        caps=tuple(
            Cap(per=c.per, purpose=c.purpose, topic=c.topic, channel=c.channel, at_most=c.at_most, within=c.within)
            for c in file.caps
        ),
        ceilings=_ceilings(node, file),
        protected_services=_protected(node, file, lists),
        minimum_age=file.minimum_age,
        adolescent_from=file.adolescent_from,
        minors_own=frozenset(file.minors_own),
        hold_expires=file.hold_expires,
        look_again=file.look_again,
        languages=tuple(file.languages),
        link_domains=frozenset(file.link_domains),
        portal_keeps=file.portal.keeps,
        portal_same_contact_point=file.portal.same_contact_point,
        portal_read_within=file.portal.read_within,
    )


def _protected(root: Node, file: PolicyFile, lists: Lists) -> frozenset[str]:
    told, node = file.protected_services, root.get("protected_services")
    if not isinstance(told, ListName) or node is None:
        return frozenset(told if isinstance(told, list) else ())
    problems: list[str] = []
    name = list_name(node, lists, problems)
    if name is None:
        raise ConfigError(*problems)
    return lists[name]


def _ceilings(root: Node, file: PolicyFile) -> dict[tuple[Purpose, ChannelKind], Sensitivity]:
    found = {
        (purpose, channel): Sensitivity[level.upper()]
        for purpose, levels in file.ceilings.items()
        for channel, level in levels.items()
    }
    for (purpose, channel), level in found.items():
        if level is Sensitivity.PROTECTED and channel is not ChannelKind.PORTAL:
            # PH-06: never in the open; 42 CFR Part 2, psychotherapy, HIV, reproductive
            line, column = root.at("ceilings", purpose.value, channel.value)
            raise ConfigError(
                f"{root.file}:{line}:{column}: `protected` content is for the portal only, never for {channel.value}"
            )
    return found
