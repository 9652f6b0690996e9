"""The elements of which a resource holds one of several types: a path says `value`, the JSON `valueQuantity`."""

from __future__ import annotations

from typing import Final

# R5, R4B and STU3 together, of the resources that mappings read and of the data types in them (R4 formats.html#choice);
# a test compares them with the declarations of fhir.resources. `value` is of any type.
_ANY = """Address Age Annotation Attachment Availability Base64Binary Boolean Canonical Code CodeableConcept CodeableReference
    Coding ContactDetail ContactPoint Contributor Count DataRequirement Date DateTime Decimal Distance Dosage Duration
    Expression ExtendedContactDetail HumanName Id Identifier Instant Integer Integer64 Markdown Meta Money MonetaryComponent
    Oid ParameterDefinition Period PositiveInt Quantity Range Ratio RatioRange Reference RelatedArtifact
    RelativeTime SampledData Signature String Time Timing TriggerDefinition UnsignedInt Uri Url UsageContext Uuid
    VirtualServiceDetail"""

_TYPES = {
    "abatement": "Age Boolean DateTime Period Range String",
    "address": "ContactPoint ExtendedContactDetail String Url",
    "allowed": "Boolean CodeableConcept",
    "asNeeded": "Boolean CodeableConcept",
    "author": "Reference String",
    "bounds": "Duration Period Range",
    "code": "CodeableConcept Reference",
    "content": "Attachment CodeableConcept Reference String",
    "deceased": "Boolean DateTime",
    "dose": "Quantity Range",
    "doseNumber": "PositiveInt String",
    "effective": "DateTime Instant Period Timing",
    "instantiates": "Canonical Reference",
    "instruction": "Markdown Reference",
    "medication": "CodeableConcept Reference",
    "multipleBirth": "Boolean Integer",
    "notDoneReason": "CodeableConcept Reference",
    "occurred": "DateTime Period",
    "occurrence": "DateTime Period String Timing",
    "onBehalfOf": "Reference Uri",
    "onset": "Age DateTime Period Range String",
    "performed": "Age DateTime Period Range String",
    "product": "CodeableConcept Reference",
    "quantity": "Quantity Range Ratio",
    "rate": "Quantity Range Ratio",
    "reported": "Boolean Reference",
    "scheduled": "Period String Timing",
    "seriesDoses": "PositiveInt String",
    "source": "Attachment Identifier Reference",
    "statusReason": "CodeableConcept Reference",
    "value": _ANY,
    "what": "Identifier Reference Uri",
    "who": "Reference Uri",
}

CHOICES: Final = {name: {kind: name + kind for kind in kinds.split()} for name, kinds in _TYPES.items()}
"""By the name in a path: the name in the JSON by its type, as written there (`Quantity`, `Boolean`)."""

# names of plain elements in another release or resource: these may be written as they are
_PLAIN = {"doseQuantity", "sourceAttachment", "sourceReference", "instantiatesCanonical", "instantiatesReference"}

CHOSEN: Final = {key: (name, kind) for name, keys in CHOICES.items() for kind, key in keys.items() if key not in _PLAIN}
"""The other way round: of `valueQuantity`, `value` and `Quantity`."""
