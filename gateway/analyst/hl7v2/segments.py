"""What hl7apy's tables lack: the names of segments, the fields of version 2.9, and the structure of a trigger event."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "ACC": "Accident", "AIG": "Appointment information - general resource",
    "AIL": "Appointment information - location resource", "AIP": "Appointment information - personnel resource",
    "AIS": "Appointment information - service", "AL1": "Patient allergy information", "ARV": "Access restriction",
    "BHS": "Batch header", "BTS": "Batch trailer", "CON": "Consent", "DB1": "Disability", "DG1": "Diagnosis",
    "DRG": "Diagnosis related group", "DSC": "Continuation pointer", "ERR": "Error", "EVN": "Event type",
    "FHS": "File header", "FT1": "Financial transaction", "FTS": "File trailer", "GT1": "Guarantor", "IN1": "Insurance",
    "IN2": "Insurance - additional information", "IN3": "Insurance - additional information, certification",
    "MRG": "Merge patient information", "MSA": "Message acknowledgment", "MSH": "Message header",
    "NK1": "Next of kin", "NTE": "Notes and comments", "OBR": "Observation request", "OBX": "Observation result",
    "ORC": "Common order", "PD1": "Patient additional demographic", "PDA": "Patient death and autopsy",
    "PID": "Patient identification", "PR1": "Procedures", "PRB": "Problem details", "PRT": "Participation information",
    "PV1": "Patient visit", "PV2": "Patient visit - additional information", "RGS": "Resource group", "ROL": "Role",
    "RXA": "Pharmacy/treatment administration", "RXC": "Pharmacy/treatment component order",
    "RXD": "Pharmacy/treatment dispense", "RXE": "Pharmacy/treatment encoded order", "RXO": "Pharmacy/treatment order",
    "RXR": "Pharmacy/treatment route", "SCH": "Scheduling activity information", "SFT": "Software segment",
    "SPM": "Specimen", "TQ1": "Timing/quantity", "TQ2": "Timing/quantity relationship",
    "TXA": "Transcription document header", "UAC": "User authentication credential",
}  # fmt: skip

LATER: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "MSH": {  # C2 v2.9 §2.14.9: MSH-26 to MSH-28
        26: ("Security classification tag", "CWE"),
        27: ("Security handling instructions", "CWE"),
        28: ("Special access restriction instructions", "ST"),
    },
}
"""Fields of 2.9 that a mapping reads; hl7apy's tables end with 2.8.2."""

# Table 0354: the structure of trigger events that share another's. Later versions write it in MSH-9.3, older ones do not.
_STRUCTURES = {
    "ADT_A01": "A01 A04 A08 A13", "ADT_A05": "A05 A14 A28 A31", "ADT_A06": "A06 A07", "ADT_A09": "A09 A10 A11",
    "ADT_A16": "A16", "ADT_A21": "A21 A22 A23 A25 A26 A27 A29 A32 A33", "ADT_A30": "A30 A34 A35 A36 A46 A47 A48 A49",
    "ADT_A39": "A39 A40 A41 A42", "ADT_A43": "A43 A44", "ADT_A50": "A50 A51", "ADT_A52": "A52 A53",
    "ADT_A54": "A54 A55", "ADT_A61": "A61 A62", "MDM_T01": "T01 T03 T05 T07 T09 T11",
    "MDM_T02": "T02 T04 T06 T08 T10", "RDE_O11": "O11 O25",
    "SIU_S12": "S12 S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26 S27",
}  # fmt: skip
_STRUCTURE = {f"{one[:3]}^{event}": one for one, events in _STRUCTURES.items() for event in events.split()}


def structure_of(type_: str, told: str) -> str:
    """The structure of a message such as "ADT^A04": what MSH-9.3 says (`told`), else by its trigger event."""
    return told or _STRUCTURE.get(type_, type_.replace("^", "_"))
