"""Every resource and notification of other people that we have is posted to the real gateway, and answered as we say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fhir_testdata import ANSWERS, OTHERWISE, endpoint, found, kind_of, listed, table
from fhir_verdicts import ACCEPTED, REFUSED, RELEASE_OF

README = Path(__file__).parent / "README.md"
RELEASES = {"malformed": "R4", "r4": "R4", "r4b": "R4B", "r5": "R5"}

Answers = dict[str, tuple[str, str, str]]
"""By file: its kind, how it was answered, and the answer's body."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Every file that is a resource, posted once."""
    data, told = found(), {}
    with endpoint(tmp_path_factory.mktemp("gateway")) as gateway:
        for path in sorted(one for one in data.rglob("*") if one.is_file()):
            folder = path.relative_to(data).parts[0]
            name = f"{folder}/{path.name}"
            if not path.name.startswith("google_fhir__"):  # simple values, one a line: no resources
                release = RELEASE_OF.get(name, RELEASES[folder])
                answer = gateway.answer(str(release), path)
                told[name] = kind_of(path), str(answer.status_code), answer.text
    return told


def expected(name: str, kind: str) -> str:
    """By what its structure is, or by what else is the matter with it."""
    if kind == "XML":
        return "415"
    return OTHERWISE[name][0] if name in OTHERWISE else REFUSED.get(name, "200").partition(" ")[0]


@pytest.mark.slow
def test_every_file_is_answered_as_we_say(answers: Answers) -> None:
    """Issue 6, what must hold 1; S-11 to S-24, S-31, M-01, M-02: notifications 200, and every refusal an OperationOutcome with a place."""
    assert {name: status for name, (kind, status, _) in answers.items() if status != expected(name, kind)} == {}
    assert {status for kind, status, _ in answers.values() if kind == "notification"} == {"200"}
    assert set(OTHERWISE) <= answers.keys()
    for name, (_, status, body) in answers.items():
        assert status == "200" or '"resourceType":"OperationOutcome"' in body, name
        assert status != "422" or '"expression":["' in body, name


@pytest.mark.slow
def test_the_readme_says_how_they_are_answered(answers: Answers) -> None:
    """Its tables are these; what is labelled bad by its authors and taken has a reason (profile, terminology, hash)."""
    counts = Counter((name.partition("/")[0], kind, status) for name, (kind, status, _) in answers.items())
    assert {status for _, _, status in counts} <= set(ANSWERS)
    taken = [
        name.partition("/")[2]
        for name, (_, status, _) in answers.items()
        if status == "200" and name.startswith("malformed/")
    ]
    text = README.read_text("utf-8")
    for rows in (
        table(counts),
        listed((ACCEPTED[name] for name in taken), "labelled bad and taken"),
        listed((why for _, why in OTHERWISE.values()), "answered otherwise than by its structure"),
    ):
        assert rows in text, rows
