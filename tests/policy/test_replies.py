"""What patients write back is taken for what they mean; whoever may mean STOP is taken at it."""

from __future__ import annotations

import string
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.comingback import ReplyMeaning
from gateway.policy import reply_words
from gateway.policy.replies import meaning, plain
from tests.effort import growth

STOP, FREE = ReplyMeaning.STOP, ReplyMeaning.FREE_TEXT
CONFIRM, CANCEL_VISIT = ReplyMeaning.CONFIRM, ReplyMeaning.CANCEL_VISIT

# 47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel, unsubscribe; Twilio's and AWS's lists (SM-09)
NAMED = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "OPT OUT", "OPT-OUT", "REVOKE", "REMOVE"]
NAMED += ["TD", "ARRET", "ARRÊT", "STOP ALL", "ALTO", "PARAR", "BAJA", "CANCELAR"]

PHRASES = [  # what was written, what it was taken for, why
    ("Stop.", STOP, "punctuation does not matter"),
    ("s t o p", STOP, "spelled out"),
    ("S.T.O.P!", STOP, "spelled out with stops"),
    ("ＳＴＯＰ", STOP, "full-width letters of an Asian keyboard"),
    ("ЅТОР", STOP, "Cyrillic letters that look the same"),
    ("🅂🅃🄾🄿", STOP, "letters in boxes"),
    ("🇸🇹🇴🇵", STOP, "letters of flags"),
    ("🛑", STOP, "the sign itself"),
    ("stop 🙏", STOP, "an emoji beside it"),
    ("stopppppp", STOP, "drawn out"),
    ("St0p", STOP, "a zero for the letter"),
    ("stpo", STOP, "mistyped"),
    ("STOP STOP STOP", STOP, "said three times"),
    ("Stop\n\nSent from my phone", STOP, "a line of its own above a signature"),
    ("opt   out please", STOP, "two words and a courtesy"),
    ("cancel please", STOP, "named by the rule; providers take it for STOP too"),
    ("End", STOP, "named by the rule"),
    ("stop it", STOP, "nothing else can be meant"),
    ("I said stop", STOP, "nothing else can be meant"),
    ("ok. Stop. I don't want these.", STOP, "one sentence of it is"),
    ("Please stop, I am driving", STOP, "in doubt it is one"),
    ("no stop", STOP, "no comma, still"),
    ("please stop texting me", STOP, "64.1200(a)(10), reasonable words"),
    ("Stop sending me these stupid messages", STOP, "reasonable words"),
    ("quit texting me!!", STOP, "reasonable words"),
    ("you keep texting me, stop", STOP, "the last word counts"),
    ("take me off your list", STOP, "reasonable words"),
    ("Remove me from this list", STOP, "reasonable words"),
    ("take my number off", STOP, "reasonable words"),
    ("remove my number please", STOP, "reasonable words"),
    ("wrong number", STOP, "whoever it is did not give it to us"),
    ("you have the wrong number", STOP, "the same"),
    ("Wrong person, sorry", STOP, "the same"),
    ("this is not my number", STOP, "the same"),
    ("there is nobody here by that name", STOP, "the same"),
    ("I'm not your patient", STOP, "the same"),
    ("don't text me", STOP, "reasonable words"),
    ("Do not contact me again", STOP, "reasonable words"),
    ("never text me again", STOP, "reasonable words"),
    ("don't text me at work", STOP, "in doubt it is one: a call sorts it out"),
    ("dont send me anything... dont send me any", STOP, "reasonable words"),
    ("I don’t want any more text messages", STOP, "curly apostrophe"),
    ("I don't want to be contacted", STOP, "reasonable words"),
    ("I do not wish to receive these messages", STOP, "reasonable words"),
    ("I never signed up for these texts", STOP, "denies that it ever agreed"),
    ("I don't want these", STOP, "these are our messages"),
    ("never asked for this", STOP, "the same"),
    ("no more texts", STOP, "reasonable words"),
    ("sick of these messages", STOP, "in doubt it is one"),
    ("how do I unsubscribe?", STOP, "by asking it is done"),
    ("how can i opt out", STOP, "the same"),
    ("leave me alone", STOP, "reasonable words"),
    ("lose my number", STOP, "reasonable words"),
    ("I revoke my consent", STOP, "the word itself"),
    ("I withdraw my permission", STOP, "reasonable words"),
    ("I do not consent", STOP, "reasonable words"),
    ("I do not give you permission to text me", STOP, "reasonable words"),
    ("No me llamen más", STOP, "Spanish, in doubt it is one"),
    ("Will you please stop", STOP, "asks us, not a doctor"),
    ("cease and desist", STOP, "a lawyer's"),
    ("not interested", STOP, "in doubt it is one"),
    ("cancel these texts", STOP, "texts, not the visit"),
    ("cancel my text reminders", STOP, "reminders, not the visit"),
    ("turn off reminders", STOP, "reasonable words"),
    ("fuck off", STOP, "reasonable words"),
    ("¡BASTA!", STOP, "Spanish, enough"),
    ("no más mensajes", STOP, "Spanish, no more messages"),
    ("ya no me manden mensajes", STOP, "Spanish, send me no more"),
    ("Por favor no me escriban más", STOP, "Spanish, do not write any more"),
    ("no quiero recibir mensajes", STOP, "Spanish, I want none"),
    ("no quiero que me manden nada", STOP, "Spanish, I want you to send nothing"),
    ("no quiero nada", STOP, "Spanish, I want nothing"),
    ("dejen de mandarme mensajes", STOP, "Spanish, stop sending"),
    ("quítenme de su lista", STOP, "Spanish, take me off"),
    ("bórrenme", STOP, "Spanish, erase me"),
    ("quiero darme de baja", STOP, "Spanish, the official word"),
    ("número equivocado", STOP, "Spanish, wrong number"),
    ("se equivocó de número", STOP, "Spanish, the same"),
    ("no soy esa persona", STOP, "Spanish, the same"),
    ("déjenme en paz", STOP, "Spanish, leave me alone"),
    ("cancelen los mensajes", STOP, "Spanish, messages, not the visit"),
    ("ya no", STOP, "Spanish, no longer"),
    ("ne m'envoyez plus de messages", STOP, "French"),
    ("停止", STOP, "Chinese"),
    ("중지", STOP, "Korean"),
    ("стоп", STOP, "Russian"),
    ("don't stop", FREE, "the opposite"),
    ("Dont stop sending these, they help", FREE, "the opposite"),
    ("please do not ever stop texting me", FREE, "the opposite"),
    ("no dejen de mandarme recordatorios", FREE, "the opposite, in Spanish"),
    ("I did not opt out", FREE, "the opposite"),
    ("stop by tomorrow at 3?", FREE, "another stop"),
    ("Can I stop by tomorrow at 3?", FREE, "another stop"),
    ("I'll stop in later", FREE, "another stop"),
    ("the bus stop is far away", FREE, "another stop"),
    ("should I stop taking aspirin before the visit?", FREE, "about a medicine"),
    ("can I stop now?", FREE, "about a medicine, perhaps; a person reads it"),
    ("Will it stop?", FREE, "about a pain, perhaps; a person reads it"),
    ("I do not give consent for the surgery", FREE, "about another consent; a person must read it"),
    ("Don't call me, text me", FREE, "wants texts"),
    ("No me llamen, mándenme mensajes", FREE, "Spanish, wants texts"),
    ("stop aspirin and text you?", FREE, "about a medicine; what follows is another thought"),
    ("bleeding won't stop", FREE, "an emergency: a person reads it"),
    ("I can't stop coughing", FREE, "a symptom"),
    ("chest pain", FREE, "an emergency (SM-18)"),
    ("help chest pain", FREE, "an emergency, no question for the menu"),
    ("cancel my appointment", FREE, "the visit, for staff; only X or 2 cancel it"),
    ("Please cancel my appointment and text me back", FREE, "the visit, and texts are welcome"),
    ("don't cancel", FREE, "the opposite, and about the visit"),
    ("the end of the month works", FREE, "another end"),
    ("I don't want to miss any messages", FREE, "wants them"),
    ("I called the wrong number", FREE, "speaks of a call of its own"),
    ("take me off the waiting list for Monday", FREE, "another list"),
    ("no me mandaron el mensaje", FREE, "Spanish, misses one"),
    ("para mi hija", FREE, "Spanish, for my daughter"),
    ("I didn't get the text", FREE, "misses one"),
    ("Can you text me the address?", FREE, "wants one"),
    ("no", FREE, "no to what? A person asks"),
    ("no thanks", FREE, "the same"),
    ("yes but can we do 4pm", FREE, "more than yes"),
    ("what does reply C mean", FREE, "a question"),
    ("running late, be there in 10", FREE, "for staff"),
    ("C X", FREE, "contradicts itself"),
    ("X?", FREE, "asks, and cancels nothing"),
    ("👍", FREE, "not one of the offered answers"),
    ("", FREE, "nothing"),
    ("???", FREE, "nothing"),
    ("C", CONFIRM, "offered"),
    ("c.", CONFIRM, "offered"),
    ("1", CONFIRM, "offered"),
    ("1️⃣", CONFIRM, "the key of an emoji keyboard"),
    ("С", CONFIRM, "a Cyrillic letter that looks the same"),
    ("C please", CONFIRM, "offered, with a courtesy"),
    ("Confirmed", CONFIRM, "the word for the letter"),
    ("X", CANCEL_VISIT, "offered"),
    ("2, thanks", CANCEL_VISIT, "offered"),
    ("R", ReplyMeaning.RESCHEDULE, "understood, goes to staff"),
    ("Reschedule please", ReplyMeaning.RESCHEDULE, "the word for the letter"),
    ("YES", ReplyMeaning.YES, "means something only after a question"),
    ("sí gracias", ReplyMeaning.YES, "the same in Spanish"),
    ("START", ReplyMeaning.START, "Twilio's list"),
    ("Unstop", ReplyMeaning.START, "Twilio's list"),
    ("start again", ReplyMeaning.START, "two words"),
    ("thanks", FREE, "nothing but a courtesy"),
    ("HELP", ReplyMeaning.HELP, "CTIA"),
    ("info?", ReplyMeaning.HELP, "CTIA, asked"),
    ("¿AYUDA?", ReplyMeaning.HELP, "Spanish"),
]


@pytest.mark.parametrize(("text", "expected", "why"), PHRASES, ids=[why for _, _, why in PHRASES])
def test_what_a_patient_writes_is_taken_for_what_it_means(text: str, expected: ReplyMeaning, why: str) -> None:
    """SM-09, SM-10; regulations 37, 39 and 45."""
    assert meaning(text) is expected, why


@pytest.mark.parametrize("word", NAMED)
def test_every_word_the_rules_and_the_providers_name_ends_it(word: str) -> None:
    """SM-09: CANCEL and END too, whatever else they could mean."""
    assert meaning(word) is STOP
    assert meaning(word.lower() + "!") is STOP


def test_a_word_of_one_language_counts_for_who_speaks_it() -> None:
    """In Vietnamese `dung` is stop; in another language it is read by a person."""
    assert meaning("Dừng", language="vi-VN") is STOP
    assert meaning("Dừng") is FREE
    assert meaning("STOP", language="vi") is STOP


def test_what_is_compared_has_no_accents_case_or_decoration() -> None:
    """Also invisible characters and marks."""
    assert plain("  ¡Ｎo\u200b MÁS… don’t! ") == "no mas dont"


def test_every_word_stands_in_the_tables_as_it_is_compared() -> None:
    """Else it would be there in vain."""
    for table in (reply_words.STOP, reply_words.AROUND, reply_words.START, reply_words.YES, reply_words.HELP):
        assert {plain(word) for word in table} == table
    for table in reply_words.STOP_IN.values():
        assert {plain(word) for word in table} == table


def test_a_long_text_is_read_in_no_time() -> None:
    """No pattern may take more than its time on what anybody can write."""
    for text in ("stop ", "don't want ", "cancel all the ", "no quiero ", "x" * 100):
        assert growth(partial(meaning, text * 125), partial(meaning, text * 1_000), enough=36) < 36


@given(st.text(max_size=300))
def test_whatever_is_written_is_read(text: str) -> None:
    """Never raises."""
    assert meaning(text) in ReplyMeaning


_NOISE = st.text(alphabet=" .,!-_*~'\"\n\t…🙏😡\u200b\u00a0", max_size=6)


@given(st.sampled_from(sorted(reply_words.STOP)), _NOISE, _NOISE, st.randoms(use_true_random=False), st.booleans())
def test_a_word_that_ends_it_does_so_in_any_dress(
    word: str, before: str, after: str, random: object, spaced: bool
) -> None:
    """SM-09: any casing, punctuation and spacing around and, spelled out, within."""
    dressed = "".join(char.upper() if random.random() < 0.5 else char for char in word)  # type: ignore[attr-defined]
    if spaced and set(word) <= set(string.ascii_lowercase):
        dressed = " ".join(dressed)
    assert meaning(before + dressed + after) is STOP


@given(st.sampled_from(sorted(reply_words.STOP)), st.lists(st.sampled_from(sorted(reply_words.POLITE)), max_size=3))
def test_politeness_takes_nothing_back(word: str, courtesies: list[str]) -> None:
    """As in "stop please, thank you"."""
    assert meaning(" ".join([*courtesies, word, *reversed(courtesies)])) is STOP
