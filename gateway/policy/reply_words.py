"""The words and turns by which people end, begin or answer text messages; tables only, each with its source.

All are in the form that `replies.plain` makes: lower case, without accents, apostrophes or punctuation.
"""

from __future__ import annotations

import re
from functools import lru_cache


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Whole messages that end everything. 47 CFR 64.1200(a)(10) names stop, quit, end, revoke, opt out, cancel and
# unsubscribe; Twilio's list adds stopall and optout, AWS's remove, td and arret (SM-09). The Spanish ones are ours.
STOP = _set(
    "stop stopall unsubscribe cancel end quit optout revoke remove td arret unsub stop2end stop2quit stop2stop "
    "stopp sotp stpo stopit stoptexting arreter arretez desabonner "
    "alto parar pare paren para baja cancelar cancela cancele cancelen basta detener detenga detengan detente fin "
    "terminar termina eliminar borrar salir desuscribir desuscribirme nomas ctoп 停止 退订 停 取消 중지 그만 توقف ايقاف"
)
# Among them those that mean nothing else in whatever company; "cancel" and "end" may be about the visit.
PLAIN_STOP = _set(
    "stop stopall unsubscribe unsub optout stopp arretez alto parar pare paren basta detengan desuscribir"
)
STOP_IN = {  # words that are a wish to stop in one language and something else in another
    "pt": frozenset(("sair", "chega")),
    "vi": frozenset(("dung", "ngung", "huy")),
    "tl": frozenset(("itigil", "hinto", "tigil")),
    "de": frozenset(("abmelden", "stopp", "ende")),
    "it": frozenset(("ferma", "basta")),
}
START = _set("start unstop restart resume subscribe optin startagain comenzar iniciar empezar reanudar alta suscribir")
YES = _set("yes y yep yeah yup si sip oui")
HELP = _set("help info ayuda aide informacion")
CONFIRM = _set("c 1 confirm confirmed confirmar confirmo confirmado")
CANCEL_VISIT = frozenset(("x", "2"))
RESCHEDULE = _set("r reschedule rescheduled reprogramar reagendar")

POLITE = _set(
    "please pls plz pleas thanks thank you thx ty ok okay now all everything already immediately asap hi hello hey "
    "por favor gracias ya todo todos ahora svp merci bitte danke"
)
NOUNS = _set(
    "text texts txt txts message messages msg msgs sms reminder reminders notification notifications alert alerts "
    "mensaje mensajes texto textos recordatorio recordatorios"
)
# What stands around a plain stop without changing it: "i said stop it", "no stop", "will you please just stop these".
AROUND = (
    POLITE
    | NOUNS
    | _set(
        "it this that these those them the me us my your u just again today forever good for so and no i said say told "
        "want to need must would like will can could kindly everyone guys god sending texting messaging with "
        "all of esto eso estos me les digo dije quiero"
    )
)

_THINGS = (
    r"(?:texts|txts|text messages?|messages|msgs|sms|reminders|notifications|alerts|spam|texting|txting|messaging|"
    r"communications?|correspondence|subscription)"
)
_DOING = (
    r"(?:texting|txting|messaging|contacting|sending|calling|spamming|bothering|harassing|reminding|pestering|"
    r"reaching out|writing(?! (?:(?:me |us )?(?:a|an|the)|my|his|her|prescriptions?|scripts?|orders?|down)\b))"
)
_WRITE = r"(?:text|txt|message|msg|sms|contact|spam|bother|remind|notify|write(?: to)?|reach out(?: to)?)"
# "stop by", "stop taking the medicine": another stop. The words a gap may not hold begin another thought.
_STOP_HERE = r"(?! (?:by|in|at|over|there|off|for|on|taking|eating|drinking|smoking|using|before|after|when)\b)"
_GAP = r"(?: (?!(?:and|but|or|so|then|before|after|if|when|because|until)\b)\w+)"
_MISS = r"(?: (?!(?:miss|lose|stop|cancel|opt|unsubscribe|and|but|or|so)\b)\w+)"
_FROM_LIST = (
    r"(?: of)?(?: (?:your|ur|the|this|these|all|any|my|text|texting|sms|mailing|message|contact|call|phone|reminder))* "
    r"(?:list|lists|texts|messages|system|database|reminders|notifications|alerts|program|group)"
)
_SPANISH_WRITE = (
    r"(?:manden|mande|mandes|envien|envie|envies|escriban|escriba|escribas|contacten|contacte|"
    r"molesten|moleste|molestes|texteen|textee|mensajeen)"
)
_SPANISH_THINGS = r"(?:mensajes?|textos?|sms|recordatorios|mensajitos|notificaciones|avisos)"

# 47 CFR 64.1200(a)(10): any words a reasonable person would understand as a wish to end it (SM-10).
_REVOKED = (
    rf"\b(?:stop|quit|cease|discontinue|halt)\b{_STOP_HERE}{_GAP}{{0,3}}? (?:{_THINGS}|{_DOING})\b",
    r"^(?:please )?discontinue(?: (?:this|these|it|them|please))*$|^i want out$|^no more of (?:this|these|it)$",
    r"\b(?:stop|quit) (?:getting|receiving) (?:these|those|them|this)$|\bhow (?:do|can|could) i stop these$",
    rf"\b(?:these|those|{_THINGS}) to stop$|\bmake (?:the |these |those |your )?(?:these|{_THINGS}) stop\b",
    r"\b(?:stop|cease|end|no more|no further)(?: (?:all|any|further))* (?:contact|communication|correspondence)\b",
    rf"^(?:please )?no {_THINGS}(?: (?:please|ever|anymore))*$",
    rf"\b(?:turn|shut|switch) off (?:(?:the|these|those|my|your) )?{_THINGS}\b",
    rf"\b(?:turn|shut|switch) (?:these|those|(?:(?:the|these|my|your) )?{_THINGS}) off\b",
    rf"\b(?:cancel|end|turn off)(?: (?:all|the|these|those|this|my|your|any|future|further|appointment|text))* {_THINGS}\b",
    rf"\b(?:no more|enough of|sick of|tired of)(?: (?:of|the|these|those|this|your|automated|text))* {_THINGS}\b",
    rf"\b(?:dont|do not|never|no longer)(?: (?:ever|please|you))? {_WRITE}(?: (?:me|us|my|this|here|anymore|any more|again|at)\b|$)",
    r"\b(?:dont|do not|never)(?: ever)? (?:send|call) (?:me|us|this number)(?: (?:any|anymore|again|more|texts|messages|stuff)\b|$)",
    (
        rf"\b(?:dont|do not|no longer|didnt|did not|never) (?:want|wish|need|like|ask|asked|sign|signed|agree|agreed|subscribe)\b"
        rf"{_MISS}{{0,5}}? (?:{_THINGS}|(?:this|your|any|another|these) (?:text|message)|contacted|texted|messaged)\b"
    ),
    r"\b(?:dont|do not|never) send (?:any ?more|any)$",
    r"^(?:i )?(?:dont|do not|no longer) want (?:these|this|them|any|any more|to hear from you)(?: (?:please|anymore|any more))?$",
    r"^(?:i )?(?:didnt|did not|never) (?:ask|asked|sign up|signed up) for (?:this|these|that)$",
    rf"\b(?:take|remove|delete|drop|get|strike)(?: (?:me|us|my|this|our|the|phone|cell|mobile|number|name))+ (?:off|from|out){_FROM_LIST}\b",
    r"\b(?:take|remove|delete|drop|opt)(?: (?:me|us|my|this|our|phone|cell|number|name))+ (?:off|out)(?: (?:please|now|immediately|this))?$",
    r"\b(?:remove|delete|unsubscribe|erase|lose|block) (?:me|us|(?:my|this) (?:phone |cell )?(?:number|name))(?: (?:please|now))?$",
    r"\b(?:unsubscribe|unsub|optout|optouts)\b|\bopt(?:ing|ed)?(?: me| us)? out\b",
    r"(?<!called the )(?<!dialed the )(?<!dialled the )(?<!called a )\b(?:wrong|incorrect) (?:number|person|phone|patient|guy|contact)\b",
    r"\bnot (?:my|his|her|their) (?:number|phone|cell)\b|\b(?:no one|nobody)(?: here)? by that name\b",
    r"\b(?:this|it|that) (?:isnt|is not) \w+s? (?:phone|number|cell)\b",
    r"\b(?:im|i am) not (?:this|that|the|your) (?:person|patient)\b",
    r"\b(?:revoke|withdraw|rescind|retract)(?: \w+){0,2} (?:consent|permission|authorization|opt in)\b",
    (
        r"\b(?:dont|do not|no longer|never) (?:give |gave )?(?:you )?(?:my )?(?:consent|permission)"
        r"(?: to (?:be|being|this|these|text|texts|texting|messages|contact|receive|receiving)\b|$)"
    ),
    r"\byou (?:dont|do not) have (?:my |our )?(?:consent|permission)(?: to (?:text|message|write|contact|send)\b|$)",
    r"\bcease and desist\b|\bleave (?:me|us)(?: the \w+)? (?:alone\b|be$)|\blose (?:my|this) number\b|\bthis is harassment\b",
    r"\bfuck (?:off|you)\b|\bpiss off\b|^go away$|^(?:im |i am )?not interested$|^no more(?: please)?$|^enough$",
    rf"\bno (?:(?:me|nos) )?(?:(?:sigan|siga|vuelvan a|vuelva a) )?(?:{_SPANISH_WRITE}|mandar|enviar|escribir|molestar)\b",
    rf"\bno (?:mas|(?:quiero|deseo)(?: (?:mas|recibir|sus|estos|esos|los|tus|ningun))*) {_SPANISH_THINGS}\b",
    rf"\bno (?:quiero|deseo) que (?:me |nos )?(?:sigan |siga )?(?:{_SPANISH_WRITE}|mandando|enviando|escribiendo)\b",
    r"\bno (?:quiero|deseo)(?: recibir)? (?:nada|esto|estos)(?: mas)?$|^no mas$|^(?:ya )?no (?:me )?interesa$|^ya no$",
    r"\bno (?:me|nos) (?:llamen|llame|llames|busquen)(?: mas| nunca)?$",
    r"\b(?:deje|dejen|deja|paren|pare|para) de (?:mandar|enviar|escribir|textear|llamar|contactar|molestar)(?:me|nos)?\b",
    (
        r"\b(?:quitenme|quiteme|quitame|quiten|borrenme|borreme|borrame|borren|eliminenme|elimineme|eliminen|saquenme|saqueme|"
        r"sacame|saquen|remuevanme|remuevan)(?: \w+){0,3} (?:lista|listas|numero|telefono|sistema)\b"
    ),
    r"\b(?:quite|borre|elimine|saque|remueva|quiten|borren|eliminen|saquen) (?:mi|este|nuestro) (?:numero|telefono)\b",
    rf"\b(?:basta|alto)(?: (?:de|a|con))?(?: (?:los|tantos|sus|estos|mas))* {_SPANISH_THINGS}\b|\bdesuscrib\w*",
    rf"\bdejar de recibir(?:los$| (?:(?:los|sus|estos|mas) )*{_SPANISH_THINGS}\b)",
    r"\bno (?:me |nos )?vuelvan? a (?:escribir|mandar|enviar|contactar|textear|molestar)(?:me|nos)?\b",
    rf"\bno (?:los )?autorizo (?:(?:que (?:me|nos) )?{_SPANISH_WRITE}|(?:(?:los|sus|estos|mas) )*{_SPANISH_THINGS})\b",
    r"^(?:por favor )?(?:quitenme|borrenme|eliminenme|saquenme)$|\b(?:den|denme|deme|dame|dar|darme) (?:me )?de baja\b",
    r"\b(?:numero|telefono|persona) (?:equivocad[oa]|incorrect[oa]|errone[oa])\b|\bse (?:equivoco|equivocaron) de (?:numero|persona)\b",
    r"\bno es (?:mi|su|el) (?:numero|telefono)\b|\bno soy (?:esa|la|ese|su) (?:persona|paciente)\b",
    r"\bdej(?:en|e|a)me (?:en paz|tranquil[oa])\b|\brevoco\b|\bretiro mi consentimiento\b",
    rf"\bcancel(?:ar|en|e|a)(?: (?:los|las|mis|estos|la|todos|sus))* (?:{_SPANISH_THINGS}|suscripcion)\b",
    r"\bne (?:m|me )(?:envoyez|ecrivez|contactez) plus\b|\barretez de m(?:e )?(?:envoyer|ecrire|contacter)\b",
)
# What takes such words back: "don't stop", "no dejen de escribir".
_KEPT = (
    r"\b(?:dont|do not|never|not|cant|cannot|didnt|did not|wont|will not|doesnt|wouldnt|isnt|shouldnt)"
    r"(?: (?:please|ever|you|want|wish|to|like|have|be))* (?:stop|stopped|stopping|quit|cancel|canceled|cancelled|end|"
    r"unsubscribe|unsubscribed|opt|opting|revoke|remove|removed|delete|take me off)\b"
    r"|\bno (?:me |nos )?(?:dejen|deje|dejes|paren|pare|pares|cancelen|cancele|den de baja|borren|quiten|saquen)\b"
    r"|\bi (?:called|dialed|dialled|have) (?:the|a) wrong\b"
)


@lru_cache(maxsize=1)
def revoked() -> re.Pattern[str]:
    """Finds a wish to end it within one sentence; made when first asked for."""
    return re.compile("|".join(f"(?:{one})" for one in _REVOKED))


@lru_cache(maxsize=1)
def kept() -> re.Pattern[str]:
    """Finds what takes such a wish back."""
    return re.compile(_KEPT)
