"""Only a number that can receive texts leaves: valid, in E.164, and not known to be a landline or a service line (SM-01)."""

from __future__ import annotations

from gateway.model.errors import Refused


def dialable(value: str) -> str:
    """`value`, an E.164 number that may be a mobile's. Raises Refused, never quoting it.

    Where a plan does not tell mobiles from landlines (North America) the number is taken for a mobile's; the
    provider tells when it is not (30006).
    """
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    try:
        number = phonenumbers.parse(value, None)  # without a region nothing but "+…" is a number
    except phonenumbers.NumberParseException:
        raise Refused("the number is not in E.164") from None
    if phonenumbers.format_number(number, PhoneNumberFormat.E164) != value:
        raise Refused("the number is not in E.164")
    if not phonenumbers.is_valid_number(number):
        raise Refused("the number is not one of its country's")
    if phonenumbers.number_type(number) not in (
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.VOIP,
        PhoneNumberType.UNKNOWN,
    ):
        raise Refused("the number is a landline's or a service's")
    return value
