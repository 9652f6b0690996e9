"""One thing to mend and the closed list of what there is to find: every code stands here once, with what it means.

rules/REFERENCE.md and the SARIF of code hosts are made from this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CODES: Mapping[str, str] = {
    "CG001": "the file cannot be read as a rule, list, policy or test",
    "CG002": "the file cannot be read as a mapping or code table",
    "CG003": "the configuration, or what it names, is wrong",
    "CG010": "a template uses what its rule does not reveal, or cannot be compiled",
    "CG011": "a marketing template offers no way out (15 USC 7704(a)(3))",
    "CG020": "a reveal is above a channel's ceiling for the purpose",
    "CG021": "the rule asks about or shows a fact that its purpose may not use (45 CFR 164.502(b), 164.508(a)(3))",
    "CG030": "a step of the schedule can never leave: it expires first, or no day will do",
    "CG031": "the rule can never match or never send: its conditions contradict each other, the schedule or the policy",
    "CG032": "the rule asks for, counts from or shows a fact that its events never tell",
    "CG033": "no rule uses the named list",
    "CG034": "nothing of the rule ever waits, and `cancel` or `once_per` would withdraw what waits",
    "CG035": "no rule uses the template",
    "CG036": "the owner is no address anybody could write to",
    "CG037": "the rule's days in effect are over",
    "CG038": "every channel is quiet at the `time` told",
    "CG039": "the message may still leave after the moment it is about",
    "CG040": "no mapping produces the event",
    "CG041": "no code table produces the code",
    "CG042": "nothing the mappings produce cancels the rule's messages",
    "CG043": "two rules send the same message at the same moment to the same people",
    "CG044": "two rules speak differently of one topic at the same moment to the same people",
    "CG045": "the rule's own `cancel` or `once_per` withdraws messages that are still meant",
    "CG046": "the event changes facts and leads to no state, so no rule is matched by it",
    "CG047": "the second message on silence can never leave, or a cap forbids it",
    "CG050": "no test in which the rule sends, none in which it stays silent, or tests of a rule that is not there",
    "CG060": "a language, or a part of a template in it, is missing",
    "CG061": "the rule sends text messages and its template has no sms.txt",
    "CG062": "a text message may take more segments than its rule allows",
    "CG063": "the template fails for a made-up patient of whom everything is known",
    "CG064": "a link leads to a foreign domain, or carries something about somebody",
    "CG065": "the HTML fetches, runs or asks for something",
    "CG066": "a placeholder would be read as it stands",
    "CG067": "marketing by e-mail tells no postal address (15 USC 7704(a)(5))",
    "CG068": "a line of a template ends in a tag, so that its last word runs into the next line",
    "CG069": "a text message offers an answer that is taken for something else, such as YES or CANCEL",
    "CG070": "the rule reveals a fact that none of its templates shows (45 CFR 164.502(b))",
    "CG080": "a path of a mapping leads where no version of HL7 v2 has anything, or none that the file is written for",
    "CG081": "a mapping's `versions` names none that there is, or its `local` no field",
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing to mend. Its text form is what people and code hosts show; line 0 is a place that is no file's."""

    file: str
    line: int
    column: int
    code: str
    sentence: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.code} {self.sentence}"


def finding_of(problem: str, code: str = "CG001") -> Finding:
    """A ConfigError's "file:line:column: sentence" as a finding; what stands in no file ("environment: …") has line 0."""
    place, _, sentence = problem.partition(": ")
    file, *numbers = place.rsplit(":", 2)
    line, column = map(int, numbers) if len(numbers) == 2 and all(map(str.isdigit, numbers)) else (0, 0)
    return Finding(file=file, line=line, column=column, code=code, sentence=sentence)
