"""Who receives in a patient's stead, as a RelatedPerson tells it: kinship alone gives nobody a right to (45 CFR 164.502(g))."""

from __future__ import annotations

from typing import Any

from gateway.mapping.codes import NOTHING, CodeTable
from gateway.mapping.computed import Gives
from gateway.mapping.fhir.codings import codes_of, word_of
from gateway.mapping.fhir.contacts import contact_points
from gateway.mapping.fhir.people import spoken_name
from gateway.mapping.fhir.references import logical
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.fhir.times import ends
from gateway.model.facts import UNMAPPED
from gateway.model.party import Identifier, RepresentativeStatement

KIND = "RelatedPerson"


@resource_computed(Gives.REPRESENTATIVES)
def representative(scope: Scope, people: list[Any], *, codes: CodeTable) -> tuple[RepresentativeStatement, ...]:
    """A guardian, parent or agent (by the table `relationship`) with the contact points and the period told.

    Of anybody else it says that they are none (any more): `active` is False.
    """
    told = people[0]
    id_ = told.get("id")
    relations = told.get("relationship")
    relations = relations if isinstance(relations, list) else [relations]  # STU3 tells one
    words = [word_of(one, codes) for one in relations]
    roles = [word for word in words if word not in (None, NOTHING, UNMAPPED)]
    if not isinstance(id_, str):
        return ()
    period = told.get("period")
    start, end = (
        (scope.when(period.get(part)) for part in ("start", "end")) if isinstance(period, dict) else (None, None)
    )
    home = logical(scope.feed, id_)
    return (
        RepresentativeStatement(
            id=Identifier(home.system, KIND, home.value),
            role=str(roles[0]) if roles else "",
            relation=next(iter(codes_of(relations)), ""),
            name=next((name for one in told.get("name") or () if (name := spoken_name(one)) is not None), ""),
            points=contact_points(scope, told.get("telecom") or ()),
            active=bool(roles) and told.get("active") is not False,
            valid_from=None if start is None else start.utc,
            valid_until=None if end is None else ends(end),
        ),
    )
