"""Which message types, events, versions and processing ids the standard knows (tables 0003, 0076, 0103, 0104)."""

from __future__ import annotations

from enum import IntEnum


class Standing(IntEnum):
    """What the standard says of a message type; the refusals carry their table 0357 code (A-02)."""

    KNOWN = 0
    UNKNOWN_TYPE = 200
    UNKNOWN_EVENT = 201


VERSIONS = frozenset({"2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2", "2.9", "2.9.1"})  # fmt: skip
"""Table 0104: MSH-12.1 must be one of these, else 203; beyond that the version is advisory (X-04)."""

PROCESSING = frozenset({"P", "T", "D", "N"})
"""Table 0103: MSH-11.1 must be one of these, else 202; only P ever leads to a message (X-05)."""

_ANY_LOCAL = "Z"  # Z events: local queries and master files are standard by agreement (C2 §2.3.2, ch. 5 and 8)

# Table 0076 with the events of table 0003 each code goes with: the union over v2.1 to v2.9.
# "A01-17" is a range; "Z" admits any event that begins with Z; "*" any event at all.
_EVENTS = {
    # control
    "ACK": "*", "MCF": "Q02",
    # patient administration and person management
    "ADT": "A01-18 A20-55 A60-62", "ADR": "A19", "ARD": "A19", "PMU": "B01-09",
    # finance
    "BAR": "P01-02 P05-06 P10 P12", "DFT": "P03 P11",
    "EHC": "E01-04 E10 E12-13 E15 E20-22 E24 E30-31",
    # orders, pharmacy, laboratory, blood bank
    "ORM": "O01 Q06", "ORR": "O02 Q06", "OSQ": "Q06", "OSR": "Q06", "OMG": "O19", "ORG": "O20",
    "OML": "O21 O33 O35 O39 O59", "ORL": "O22 O34 O36 O40-44 O53-56", "OMD": "O01 O03", "ORD": "O02 O04",
    "OMS": "O01 O05", "ORS": "O02 O06", "OMN": "O01 O07", "ORN": "O02 O08", "OMI": "O23", "ORI": "O24",
    "OMP": "O09", "ORP": "O10", "RDE": "O01 O11 O25 O49", "RRE": "O02 O12 O26 O50", "RDS": "O01 O13",
    "RRD": "O02 O14", "RGV": "O01 O15", "RRG": "O02 O16", "RAS": "O01-02 O17", "RRA": "O02 O18",
    "RDO": "O01", "RRO": "O02", "OMB": "O27", "ORB": "O28", "BPS": "O29", "BRP": "O30", "BTS": "O31",
    "BRT": "O32", "OPL": "O37", "OPR": "O38", "OMQ": "O42 O57", "ORX": "O43 O58", "OSU": "O41 O51-52",
    "DBC": "O41-42", "DBU": "O42", "DRG": "O43", "DER": "O44", "DEO": "O45", "DEL": "O46", "DRC": "O47", "DPR": "O48",
    "RAR": "RAR", "RDR": "RDR", "RER": "RER", "RGR": "RGR", "ROR": "ROR",
    # vaccination
    "VXQ": "V01", "VXX": "V02", "VXR": "V03", "VXU": "V04",
    # observations, equipment, trials, products
    "ORU": "R01 R03 R30-32 R40 R42-45 W01", "ORA": "R33 R41", "ORF": "R02 R04 W02", "QRF": "W02",
    "OUL": "R21-24", "OPU": "R25", "OSM": "R26", "CRM": "C01-08", "CSU": "C09-12", "PEX": "P07-08", "SUR": "P09",
    "ESU": "U01", "ESR": "U02", "SSU": "U03", "SSR": "U04", "INU": "U05", "INR": "U06 U14", "EAC": "U07",
    "EAR": "U08", "EAN": "U09", "TCU": "U10", "TCR": "U11", "LSU": "U12", "LSR": "U13",
    # scheduling, sterilisation
    "SIU": "S12-24 S26-27", "SRM": "S01-11 T12", "SRR": "S01-11 T12", "SQM": "S25", "SQR": "S25",
    "SLR": "S28-29", "STI": "S30", "SDR": "S31-32", "SMD": "S32", "STC": "S33", "SLN": "S34-35", "SDN": "S36", "SCN": "S37",
    # documents, referral, collaborative care, problems, goals, pathways
    "MDM": "T01-11", "DOC": "T12", "REF": "I12-15", "RRI": "I12-15", "RQI": "I01-03 I07", "RPI": "I01 I04",
    "RPL": "I02", "RPR": "I03", "RQP": "I04", "RQC": "I05-06", "RCI": "I05", "RCL": "I06", "PIN": "I07",
    "RQA": "I08-11", "RPA": "I08-11", "CCR": "I16-18", "CCQ": "I19", "CQU": "I19", "CCU": "I20", "CCM": "I21",
    "CCF": "I22", "CCI": "I22", "PGL": "PC6-8", "PPR": "PC1-3", "PPV": "PCA", "PRR": "PC5", "PTR": "PCF",
    "PPG": "PCG PCH PCJ", "PPP": "PCB PCC PCD", "PPT": "PCL",
    # master files, application management
    "MFN": "M01-19 Z", "MFK": "M01-19 Z", "MFQ": "M01-07 Z", "MFR": "M01-07 Z", "MFD": "M01-07 MFA P09",
    "NMQ": "N01-02", "NMR": "N01-02", "NMD": "N01-02",
    # queries
    "QRY": "A19 P04 PC4 PC9 PCE PCK Q01-02 Q26-30 R02-03 R05 T12 W02", "DSR": "P04 Q01 Q03 R03 R05", "UDM": "Q05 R06",
    "QCK": "Q02", "QCN": "J01", "QSX": "J02", "QSB": "Q16 Z", "QVR": "Q17 Z",
    "QBP": "E03 E22 K13 O33-34 Q11 Q13 Q15 Q21-25 Q31-34 Z", "RTB": "K13 Q13 Z", "RDY": "K11 K15 Z",
    "RSP": "E03 E22 K11 K13 K15 K21-25 K31-34 O33-34 Q11 Z", "EQQ": "Q01 Q04", "VQQ": "Q01 Q07", "SPQ": "Q01 Q08",
    "RQQ": "Q01 Q09", "TBR": "Q01 R08-09", "EDR": "Q01 R07", "ERP": "Q01 R09",
}  # fmt: skip


def standing(code: str, trigger: str) -> Standing:
    """Whether MSH-9.1 and MSH-9.2 are in the standard's tables, over v2.1 to v2.9 (A-02, E-08).

    An empty trigger is standard: MSH-9 was the code alone before v2.3 ("ORU", "ACK").
    """
    events = _PAIRS.get(code)
    if events is None:
        return Standing.UNKNOWN_TYPE
    if not trigger or trigger in events or "*" in events or (trigger[0] == _ANY_LOCAL and _ANY_LOCAL in events):
        return Standing.KNOWN
    return Standing.UNKNOWN_EVENT


def _expanded(events: str) -> frozenset[str]:
    expanded: set[str] = set()
    for word in events.split():
        first, dash, last = word.partition("-")
        if not dash:
            expanded.add(first)
            continue
        stem, width = first[: -len(last)], len(last)
        expanded.update(f"{stem}{number:0{width}d}" for number in range(int(first[-width:]), int(last) + 1))
    return frozenset(expanded)


_PAIRS = {code: _expanded(events) for code, events in _EVENTS.items()}
