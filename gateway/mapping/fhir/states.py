"""What a status means together with what stands beside it; only what is final notifies, and no plan is an order (Q-11, Q-12)."""

from __future__ import annotations

from typing import Any

from gateway.mapping.codes import CodeTable
from gateway.mapping.fhir.codings import codes_of, decided, word_of
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Scope
from gateway.model.facts import FactType

_OPEN_VISIT = frozenset({"arrived", "triaged", "in-progress", "onleave", "on-hold"})
_OVER_VISIT = frozenset({"finished", "discharged", "completed"})  # R5: discharged, completed
# R4 valueset-request-intent. Nobody with authority to has ordered anything; a directive is the patient's own.
_NO_ORDERS = frozenset({"proposal", "plan", "option", "directive"})
_CARRIES_OUT = frozenset({"filler-order"})  # the filler's view of an order that was submitted to it
_ONE_DOSE = frozenset({"instance-order"})  # of a prescription: a single administration (R4 MedicationRequest.intent)
_FINAL = frozenset({"final", "amended", "corrected"})
_RESULTS = frozenset({"laboratory", "imaging", "procedure", "LAB", "RAD"})


@resource_computed(FactType.CODE)
def encounter_state(_: Scope, statuses: list[Any], classes: list[Any], *, codes: CodeTable) -> str:
    """Admitted or registered (by class) while it lasts, discharged when it is over, else its own status (R4 and R5 words)."""
    status = str(statuses[0]) if statuses else "unknown"
    if status in _OVER_VISIT:
        return "discharged"
    if status not in _OPEN_VISIT:
        return status
    return "admitted" if decided([classes], codes) == "inpatient" else "registered"


@resource_computed(FactType.CODE)
def request_state(_: Scope, statuses: list[Any], intents: list[Any], prohibited: list[Any]) -> str:
    """The status of an order; `prohibited` where it says not to do it, `plan` where nobody has ordered it yet, `carries-out` where another order did."""
    return _request(statuses, intents, prohibited, _CARRIES_OUT)


@resource_computed(FactType.CODE)
def prescription_state(_: Scope, statuses: list[Any], intents: list[Any], prohibited: list[Any]) -> str:
    """As of an order; a single dose, too, only carries out what was prescribed (`instance-order`)."""
    return _request(statuses, intents, prohibited, _CARRIES_OUT | _ONE_DOSE)


def _request(statuses: list[Any], intents: list[Any], prohibited: list[Any], carries_out: frozenset[str]) -> str:
    status = str(statuses[0]) if statuses else "unknown"
    if status == "entered-in-error":
        return status
    if True in prohibited:
        return "prohibited"
    told = codes_of(intents)
    return "plan" if _NO_ORDERS.intersection(told) else "carries-out" if carries_out.intersection(told) else status


@resource_computed(FactType.CODE)
def care_plan_state(_: Scope, statuses: list[Any], intents: list[Any]) -> str:
    """The status of a plan; `proposal` where nobody has decided on it yet."""
    status = str(statuses[0]) if statuses else "unknown"
    return "proposal" if status == "active" and {"proposal", "option"}.intersection(codes_of(intents)) else status


@resource_computed(FactType.CODE)
def communication_state(_: Scope, statuses: list[Any], prohibited: list[Any]) -> str:
    """The status of a request to write to somebody; `prohibited` while it is in force and says not to (W-02)."""
    status = str(statuses[0]) if statuses else "unknown"
    return "prohibited" if True in prohibited and status == "active" else status


@resource_computed(FactType.CODE)
def immunization_state(_: Scope, statuses: list[Any], primary: list[Any], refused: list[Any]) -> str:
    """The status of a dose; `history` where somebody only tells of it, `not-done` where it was not given (VX-01)."""
    status = str(statuses[0]) if statuses else "unknown"
    if status == "completed" and True in refused:  # STU3 notGiven
        return "not-done"
    return "history" if status == "completed" and False in primary else status


@resource_computed(FactType.CODE)
def observation_state(
    _: Scope, statuses: list[Any], categories: list[Any], reasons: list[Any], values: list[Any]
) -> str:
    """The status of an observation of a laboratory, a device or a procedure; `recorded` of any other, such as a weight or a habit.

    `absent`: final, and there is no value, for a reason that is told (Observation.dataAbsentReason).
    """
    status = str(statuses[0]) if statuses else "unknown"
    if status in ("cancelled", "entered-in-error"):
        return status
    if not _RESULTS.intersection(codes_of(categories)):
        return "recorded"
    return "absent" if status in _FINAL and reasons and not values else status


@resource_computed(FactType.CODE)
def condition_state(_: Scope, clinical: list[Any], verification: list[Any]) -> str:
    """The clinical status of what is confirmed; `entered-in-error`, `refuted` or `unconfirmed` by its verification."""
    verified = next(iter(codes_of(verification)), "confirmed")
    if verified in ("entered-in-error", "refuted"):
        return verified
    return next(iter(codes_of(clinical)), "unknown") if verified == "confirmed" else "unconfirmed"


@resource_computed(FactType.YESNO)
def abnormal(_: Scope, interpretations: list[Any], *, codes: CodeTable) -> bool | None:
    """Whether any interpretation is other than normal; an unknown one is (OR-09)."""
    words = [word for one in interpretations if (word := word_of(one, codes)) is not None]
    return any(word != "normal" for word in words) if words else None


@resource_computed(FactType.CODE)
def canonical(_: Scope, *urls: list[Any], codes: CodeTable) -> str | None:
    """The word of a canonical URL, whatever version is told behind it (`|1.0`)."""
    told = [one.partition("|")[0] for found in urls for one in found if isinstance(one, str)]
    return decided([told], codes)
