"""What the standard offers beside what mappings name: read by the code itself, or never read at all.

The meanings are ours; segments and fields are those of HL7 v2 chapters 2 to 11.
"""

from __future__ import annotations

from collections.abc import Mapping

# Read whatever the mappings say: (what it becomes, how long that is kept).
BUILT_IN: Mapping[str, tuple[str, str]] = {
    "MSH-1, MSH-2": ("delimiters", "not kept"),
    "MSH-3, MSH-4, MSH-10": ("who sent which message: to recognise it again", "a keyed digest, with the message"),
    "MSH-7, EVN-2, EVN-6": ("when it was recorded and happened", "with the occurrence"),
    "MSH-9": ("type: which mapping reads it, and the status its event brings", "with the message"),
    "MSH-11": ("whether it is production", "not kept"),
    "MSH-12, MSH-14, MSH-18": ("version, continuation, character set", "not kept"),
    "MSH-13": ("its number, of a feed that numbers its messages", "the last one, with the feed"),
    "MSH-15, MSH-16": ("which acknowledgements are wanted", "not kept"),
    "MSA, DSC-1, ADD": ("whether it is an answer, a part or a continuation of another", "not kept"),
    "CON-2, CON-9, CON-11, CON-13 to CON-16": ("consent or refusal, without its text", "6y: evidence"),
    "ARV-2, ARV-6": ("whether a restriction is taken back or over", "not kept"),
    "PV1-2": ("whether there is a visit at all", "not kept"),
    "ORC, OBR, RXE, RXO, RXD, RXA, TXA": ("where one order of several begins", "not kept"),
    "FHIR id, meta.versionId, meta.lastUpdated": ("which version of which resource, and when", "with the message"),
    "FHIR meta.tag, meta.security": ("whether it is a part of a resource, or test data", "not kept"),
    "FHIR identifier.system": ("whether we wrote it ourselves", "not kept"),
    "RGS-2, AIS-2, AIG-2, AIL-2, AIP-2": ("whether a resource was deleted", "not kept"),
    "AIS-5, AIS-6, AIG-9, AIG-10, AIL-7, AIL-8, AIP-7, AIP-8": ("how a resource's start differs", "not kept"),
}

SEGMENTS: Mapping[str, str] = {
    "ACC": "accident",
    "AL1": "allergies",
    "BLG": "billing",
    "CTD": "contacts",
    "DB1": "disability",
    "DG1": "diagnoses",
    "DRG": "diagnosis related group",
    "FT1": "charges",
    "GT1": "guarantor",
    "IAM": "adverse reactions",
    "IN1": "insurance",
    "IN2": "insurance: more of it, with numbers of the insured",
    "IN3": "insurance: certification",
    "NK1": "next of kin",
    "NTE": "notes in free text",
    "PDA": "death and autopsy",
    "PR1": "procedures",
    "PRT": "participants",
    "ROL": "roles of persons",
    "RXC": "components of a medicine",
    "RXR": "route of a medicine",
    "SAC": "specimen container",
    "SPM": "specimen",
    "UB1": "uniform billing",
    "UB2": "uniform billing",
}

FIELDS: Mapping[str, str] = {
    "OBX-5": "values of observations",
    "PID-6": "mother's maiden name",
    "PID-8": "sex",
    "PID-10": "race",
    "PID-16": "marital status",
    "PID-17": "religion",
    "PID-19": "social security number",
    "PID-20": "driver's licence",
    "PID-21": "mother's identifier",
    "PID-22": "ethnic group",
    "PID-23": "place of birth",
    "PID-26": "citizenship",
    "PV1-7": "attending doctor",
    "PV1-8": "referring doctor",
    "PV1-20": "financial class",
    "PV2-3": "reason of admission",
    "SCH-6": "reason of the event",
    "SCH-7": "reason of the appointment",
    "RXE-1": "quantity and timing of a medicine",
    "RXE-7": "instructions for the patient",
    "TXA-9": "author of a document",
}
