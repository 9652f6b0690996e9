"""What the pages say, in every language they speak; the words people agree to carry the version `preferences.TEXT_VERSION`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_EN = {
    "protected": "Protected page",
    "enter_title": "A message is waiting for you",
    "enter_lead": "It is kept on this protected page, and shown only to you.",
    "enter_steps": "We will ask for your birth date, and send a code to another phone number or e-mail address of yours.",
    "enter_button": "Continue",
    "call": "If you do not want to use this page, or something does not work, call",
    "emergency": "In an emergency call 911. Nobody reads this page at once.",
    "birth_title": "Your birth date",
    "birth_legend": "When were you born?",
    "birth_hint": "For example 3 15 1980",
    "month": "Month",
    "day": "Day",
    "year": "Year",
    "birth_button": "Send me a code",
    "code_title": "Your code",
    "code_lead": (
        "If the birth date is right, a code is on its way to a phone number or e-mail address of yours, other than the one"
        " the link came to. It is good for 10 minutes."
    ),
    "code_label": "Code of six digits",
    "code_button": "Open",
    "code_again": "No code? Check the birth date, and ask for another one",
    "wrong": "That is not right, or no longer good.",
    "wrong_hint": "Please check it, or ask for a new code. After several wrong tries you have to wait a while.",
    "message_from": "From",
    "message_until": "You can read this until",
    "print_hint": "You can print this page or save it with your browser.",
    "answer_title": "Your answer",
    "confirm": "I will come",
    "cancel": "I cannot come",
    "reschedule": "I need another time",
    "answer_hint": "If you cannot come, or need another time, our staff will see to it.",
    "text_label": "Write to our staff",
    "text_hint": "Not for emergencies. Up to 2000 characters.",
    "text_button": "Send",
    "answered": "Thank you. Your answer has been kept.",
    "not_answered": "Your answer could not be taken. Please call us.",
    "refused_title": "There is nothing to show",
    "refused_lead": "This message cannot be shown at the moment, or any more. If you have questions, please call us.",
    "closed_title": "Please open the link again",
    "closed_lead": "You are not logged in, or have been away for too long. Open the link in the message we sent you once more.",
    "to_preferences": "Choose what you get from us",
    "to_message": "Back to the message",
    "leave": "Log out",
    "left_title": "You are logged out",
    "left_lead": "You can close this page.",
    "preferences_title": "What you get from us",
    "preferences_lead": (
        "Tick what we may send you, and how. With a tick you agree that we write to you about it that way; without it we do"
        " not. You can change it at any time. Your care does not depend on it."
    ),
    "by_email": "By e-mail",
    "by_sms": "By text message",
    "by_portal": "On this protected page",
    "sms_terms": (
        "Text messages are sent automatically. Message and data rates may apply; how often depends on your care. Reply STOP"
        " to end them, HELP for help. Agreeing is no condition of care."
    ),
    "email_terms": "E-mail may be read by others who use your mailbox.",
    "portal_terms": "That something waits on this page, we tell you by e-mail or text message: leave one of them ticked.",
    "marketing": "needs your signed authorization; here it can only be switched off",
    "no_address": "we have no address of yours for this",
    "hours_title": "When we may write",
    "hours_lead": "We keep the usual hours of quiet. If you want more, choose the hours in which you want to be left in peace.",
    "hours_none": "As usual",
    "hours_from": "Not from",
    "hours_until": "until",
    "language_title": "Language of our messages",
    "save": "Save",
    "saved": "Saved.",
    "saved_not_all": "Saved, but not everything could be switched on. You, or somebody at that address, said STOP before: please call us.",
    "unsubscribe_title": "Stop these e-mails",
    "unsubscribe_lead": "With this button you get no more e-mails from us about this topic. It takes effect at once.",
    "unsubscribe_button": "Stop these e-mails",
    "unsubscribe_more": "Choose in detail what you get",
    "unsubscribed_title": "Done",
    "unsubscribed_lead": "You will get no more e-mails from us about this topic.",
    "busy_title": "Please try again in a minute",
    "busy_lead": "There is too much going on at the moment.",
    "missing_title": "There is no such page",
    "missing_lead": "Please open the link in the message we sent you.",
    "other_language": "Español",
}
_ES = {
    "protected": "Página protegida",
    "enter_title": "Tiene un mensaje",
    "enter_lead": "Está guardado en esta página protegida y solo se le muestra a usted.",
    "enter_steps": "Le pediremos su fecha de nacimiento y enviaremos un código a otro teléfono o correo electrónico suyo.",
    "enter_button": "Continuar",
    "call": "Si prefiere no usar esta página, o si algo no funciona, llame al",
    "emergency": "En una emergencia llame al 911. Nadie lee esta página de inmediato.",
    "birth_title": "Su fecha de nacimiento",
    "birth_legend": "¿Cuándo nació usted?",
    "birth_hint": "Por ejemplo 3 15 1980 (mes, día, año)",
    "month": "Mes",
    "day": "Día",
    "year": "Año",
    "birth_button": "Envíenme un código",
    "code_title": "Su código",
    "code_lead": (
        "Si la fecha de nacimiento es correcta, un código va en camino a un teléfono o correo electrónico suyo, distinto de"
        " aquel al que llegó el enlace. Vale durante 10 minutos."
    ),
    "code_label": "Código de seis cifras",
    "code_button": "Abrir",
    "code_again": "¿No llegó? Revise la fecha de nacimiento y pida otro código",
    "wrong": "No es correcto o ya no es válido.",
    "wrong_hint": "Revíselo o pida un código nuevo. Después de varios intentos fallidos hay que esperar un rato.",
    "message_from": "De",
    "message_until": "Puede leerlo hasta el",
    "print_hint": "Puede imprimir esta página o guardarla con su navegador.",
    "answer_title": "Su respuesta",
    "confirm": "Voy a ir",
    "cancel": "No puedo ir",
    "reschedule": "Necesito otra hora",
    "answer_hint": "Si no puede ir o necesita otra hora, nuestro personal se encargará.",
    "text_label": "Escriba a nuestro personal",
    "text_hint": "No para emergencias. Hasta 2000 caracteres.",
    "text_button": "Enviar",
    "answered": "Gracias. Su respuesta ha quedado registrada.",
    "not_answered": "No pudimos recibir su respuesta. Por favor, llámenos.",
    "refused_title": "No hay nada que mostrar",
    "refused_lead": "Este mensaje no se puede mostrar en este momento o ya no está disponible. Si tiene preguntas, llámenos.",
    "closed_title": "Abra el enlace de nuevo",
    "closed_lead": "No ha iniciado sesión o pasó demasiado tiempo. Abra otra vez el enlace del mensaje que le enviamos.",
    "to_preferences": "Elegir qué recibe de nosotros",
    "to_message": "Volver al mensaje",
    "leave": "Cerrar sesión",
    "left_title": "Su sesión está cerrada",
    "left_lead": "Puede cerrar esta página.",
    "preferences_title": "Qué recibe de nosotros",
    "preferences_lead": (
        "Marque qué podemos enviarle y cómo. Con una marca usted acepta que le escribamos sobre ello por ese medio; sin ella"
        " no lo hacemos. Puede cambiarlo en cualquier momento. Su atención no depende de ello."
    ),
    "by_email": "Por correo electrónico",
    "by_sms": "Por mensaje de texto",
    "by_portal": "En esta página protegida",
    "sms_terms": (
        "Los mensajes de texto se envían automáticamente. Pueden aplicarse tarifas de mensajes y datos; la frecuencia depende"
        " de su atención. Responda STOP para terminar, HELP para ayuda. Aceptar no es condición para recibir atención."
    ),
    "email_terms": "Otras personas que usan su buzón podrían leer el correo.",
    "portal_terms": (
        "Que algo le espera en esta página se lo avisamos por correo o mensaje de texto: deje marcado uno de ellos."
    ),
    "marketing": "requiere su autorización firmada; aquí solo se puede desactivar",
    "no_address": "no tenemos una dirección suya para esto",
    "hours_title": "Cuándo podemos escribirle",
    "hours_lead": "Respetamos las horas habituales de descanso. Si desea más, elija las horas en que no quiere recibir mensajes.",
    "hours_none": "Como siempre",
    "hours_from": "No desde las",
    "hours_until": "hasta las",
    "language_title": "Idioma de nuestros mensajes",
    "save": "Guardar",
    "saved": "Guardado.",
    "saved_not_all": "Guardado, pero no todo se pudo activar. Usted, o alguien en esa dirección, dijo STOP antes: llámenos, por favor.",
    "unsubscribe_title": "Dejar de recibir estos correos",
    "unsubscribe_lead": "Con este botón no recibirá más correos nuestros sobre este tema. Tiene efecto inmediato.",
    "unsubscribe_button": "Dejar de recibir estos correos",
    "unsubscribe_more": "Elegir en detalle qué recibe",
    "unsubscribed_title": "Listo",
    "unsubscribed_lead": "No recibirá más correos nuestros sobre este tema.",
    "busy_title": "Inténtelo de nuevo en un minuto",
    "busy_lead": "En este momento hay demasiada actividad.",
    "missing_title": "Esta página no existe",
    "missing_lead": "Abra el enlace del mensaje que le enviamos.",
    "other_language": "English",
}
WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType({"en": _EN, "es": _ES})
OTHER: Mapping[str, str] = MappingProxyType({"en": "es", "es": "en"})
LANGUAGE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "en": "English",
        "es": "Español",
        "fr": "Français",
        "de": "Deutsch",
        "pt": "Português",
        "vi": "Tiếng Việt",
        "zh": "中文",
    }
)
TOPICS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"es": {"appointments": "Citas", "follow-up": "Seguimiento", "results": "Resultados", "prescriptions": "Recetas"}}
)
"""Topics of the shipped rules as Spanish has them; others are shown as the site wrote them."""


def spoken(wanted: str | None, accepted: str = "") -> str:
    """The language of a page: the one asked for, else the first the browser accepts that we speak, else English."""
    told = [wanted or "", *(part.partition(";")[0].strip() for part in accepted.split(","))]
    bases = (one.partition("-")[0].lower() for one in told)
    return next((one for one in bases if one in WORDS), "en")


def topic_name(topic: str, language: str) -> str:
    """How a topic is called towards people."""
    return TOPICS.get(language, {}).get(topic) or topic.replace("-", " ").replace("_", " ").capitalize()
