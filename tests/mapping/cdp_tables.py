"""Other people's exports: what each table is, and for those of people the mapping an analyst would write for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Fact(NamedTuple):
    """A fact and the column it comes from; a word instead of one holds for the whole table."""

    column: str | None = None
    word: str | None = None


@dataclass(frozen=True)
class Table:
    """One export: which file, its columns that we need, and what they are to us."""

    file: str
    key: tuple[str, ...]
    who: str
    columns: str  # "name: type, …"
    at: str | None = None
    name: Fact = field(default_factory=lambda: Fact(word="wellness"))
    event: str = "audience.entered"
    facts: str = ""
    contact: str = ""
    by_address: bool = False  # people are told by an address alone in it: every row says so, and nobody is found

    @property
    def mapping(self) -> str:
        """Its name as a mapping."""
        return self.file.replace("__", "-").replace("_", "-")

    def text(self) -> str:
        """The mapping, as an analyst would write it."""
        lines = [
            f"mapping: {self.mapping}",
            f"columns: {{{self.columns}}}",
            f"key: [{', '.join(self.key)}]",
            "zone: UTC",
            *([f"at: {self.at}"] if self.at else []),
            f"identity: [{{column: {self.who}, authority: PLATFORM}}]",
            f"event: {self.event}",
        ]
        if self.event == "audience.entered":
            source = f"column: {self.name.column}" if self.name.column else f"word: {self.name.word}"
            lines += ["facts:", f"  audience.name: {{{source}, codes: audience}}"]
        lines += [f"facts: {self.facts}"] if self.facts else []
        lines += [f"contact: {{{self.contact}}}"] if self.contact else []
        return "\n".join(lines) + "\n"


_ACTIVITY = "id: integer, lead_id: integer, activity_date: datetime"


def _marketo(name: str) -> Table:
    return Table(f"dbt_marketo__marketo_activity_{name}_data", ("id",), "lead_id", _ACTIVITY, "activity_date")


def _iterable_by_address(name: str, more: str, who: str = "email") -> Table:
    columns = f"{who}: text, {more}: integer, _fivetran_synced: datetime"
    return Table(f"dbt_iterable__{name}_data", (who, more), who, columns, "_fivetran_synced", by_address=who == "email")


def _synthea(name: str, key: tuple[str, ...], columns: str) -> Table:
    return Table(f"dbt-synthea__{name}", key, "PATIENT", columns, name=Fact("CODE"))


TABLES = (
    Table(
        "MB-260T00-Customer-Data-Platform-Specialty__ContosoCoffee_D365Contacts",
        ("Email",),
        "Email",
        "Email: text, Business Phone: text",
        event="patient.updated",
        contact="phone: Business Phone",
        by_address=True,
    ),
    _synthea("conditions", ("PATIENT", "CODE", "START"), "PATIENT: text, CODE: text, START: date"),
    _synthea("encounters", ("Id",), "Id: text, PATIENT: text, CODE: text, START: datetime"),
    _synthea("immunizations", ("PATIENT", "CODE", "DATE"), "PATIENT: text, CODE: text, DATE: datetime"),
    Table("dbt-synthea__patients", ("Id",), "Id", "Id: text"),
    Table(
        "dbt_amplitude__amplitude_event_data",
        ("id",),
        "amplitude_id",
        "id: integer, amplitude_id: integer, server_upload_time: datetime, event_type: text",
        "server_upload_time",
        Fact("event_type"),
    ),
    Table(
        "dbt_hubspot__contact_list_member_data",
        ("contact_id", "contact_list_id"),
        "contact_id",
        "contact_id: integer, contact_list_id: integer, _fivetran_synced: datetime",
        "_fivetran_synced",
        Fact("contact_list_id"),
    ),
    Table(
        "dbt_hubspot__contact_property_history_data",
        ("contact_id", "name", "timestamp"),
        "contact_id",
        "contact_id: integer, name: text, timestamp: datetime",
        "timestamp",
        Fact("name"),
    ),
    Table(
        "dbt_hubspot__deal_contact_data",
        ("contact_id", "deal_id"),
        "contact_id",
        "contact_id: integer, deal_id: integer, type_id: integer",
        name=Fact("type_id"),
    ),
    Table(
        "dbt_hubspot__email_event_data",
        ("id",),
        "recipient",
        "id: text, recipient: text, type: text, created: datetime",
        "created",
        Fact("type"),
    ),
    Table(
        "dbt_iterable__event_data",
        ("_fivetran_id",),
        "_fivetran_user_id",
        "_fivetran_id: text, _fivetran_user_id: text, event_name: text, created_at: datetime",
        "created_at",
        Fact("event_name"),
    ),
    Table(
        "dbt_iterable__list_user_data",
        ("_fivetran_id",),
        "_fivetran_id",
        "_fivetran_id: text, list_id: integer, _fivetran_synced: datetime",
        "_fivetran_synced",
        Fact("list_id"),
        by_address=True,
    ),
    *(
        Table(
            f"dbt_iterable__user_history{kind}_data",
            ("iterable_user_id", "updated_at"),
            "iterable_user_id",
            "iterable_user_id: integer, updated_at: datetime, email: text, phone_number: text",
            "updated_at",
            event="patient.updated",
            contact="email: email, phone: phone_number",
        )
        for kind in ("", "_bq_json")
    ),
    _iterable_by_address("user_unsubscribed_channel", "channel_id", "_fivetran_id"),
    _iterable_by_address("user_unsubscribed_channel_history", "channel_id"),
    _iterable_by_address("user_unsubscribed_message_type", "message_type_id", "_fivetran_id"),
    _iterable_by_address("user_unsubscribed_message_type_history", "message_type_id"),
    *(
        Table(
            f"dbt_klaviyo__event{kind}",
            ("id",),
            "person_id",
            "id: text, person_id: text, type: text, datetime: datetime",
            "datetime",
            Fact("type"),
        )
        for kind in ("", "_norename")
    ),
    Table(
        "dbt_klaviyo__person",
        ("id",),
        "id",
        "id: text, updated: datetime, email: text, phone_number: text",
        "updated",
        event="patient.updated",
        contact="email: email, phone: phone_number",
    ),
    *map(
        _marketo,
        (
            "change_data_value",
            "click_email",
            "delete_lead",
            "email_bounced",
            "email_delivered",
            "merge_leads",
            "open_email",
            "send_email",
        ),
    ),
    Table(
        "dbt_marketo__marketo_lead_data",
        ("id",),
        "id",
        "id: integer, updated_at: datetime, email: text",
        "updated_at",
        event="patient.updated",
        contact="email: email",
    ),
    Table(
        "dbt_qualtrics__contact_mailing_list_membership",
        ("contact_lookup_id",),
        "contact_id",
        "contact_lookup_id: text, contact_id: text, mailing_list_id: text, _fivetran_synced: datetime",
        "_fivetran_synced",
        Fact("mailing_list_id"),
    ),
    Table(
        "dbt_qualtrics__core_contact",
        ("id",),
        "id",
        "id: text, email: text, _fivetran_synced: datetime",
        "_fivetran_synced",
        event="patient.updated",
        contact="email: email",
    ),
    Table(
        "dbt_qualtrics__directory_contact",
        ("id",),
        "id",
        "id: text, last_modified: datetime, email: text, phone: text",
        "last_modified",
        event="patient.updated",
        contact="email: email, phone: phone",
    ),
    Table(
        "dbt_qualtrics__distribution",
        ("id",),
        "recipient_contact_id",
        "id: text, recipient_contact_id: text, send_date: datetime",
        "send_date",
    ),
    Table(
        "dbt_qualtrics__distribution_contact",
        ("distribution_id", "contact_lookup_id"),
        "contact_id",
        "distribution_id: text, contact_lookup_id: text, contact_id: text, status: text, sent_at: datetime",
        "sent_at",
        Fact("status"),
    ),
    Table(
        "dbt_qualtrics__survey_response",
        ("id",),
        "recipient_email",
        "id: text, recipient_email: text, recorded_date: datetime",
        "recorded_date",
        by_address=True,
    ),
    Table(
        "dbt_salesforce_marketing_cloud__event_data",
        ("id",),
        "subscriber_key",
        "id: text, subscriber_key: text, event_type: text, event_date: datetime",
        "event_date",
        Fact("event_type"),
        by_address=True,
    ),
    Table(
        "dbt_salesforce_marketing_cloud__list_subscriber_data",
        ("id", "list_id"),
        "subscriber_key",
        "id: integer, list_id: integer, subscriber_key: text, modified_date: datetime",
        "modified_date",
        Fact("list_id"),
    ),
    Table(
        "dbt_salesforce_marketing_cloud__subscriber_data",
        ("id",),
        "subscriber_key",
        "id: integer, subscriber_key: text, email_address: text",
        event="patient.updated",
        contact="email: email_address",
    ),
    Table(
        "segment__example_segment_pages",
        ("id",),
        "user_id",
        "id: text, user_id: text, received_at: datetime, path: text",
        "received_at",
        Fact("path"),
    ),
    Table(
        "tuva__patient_seed",
        ("patient_id",),
        "patient_id",
        "patient_id: text, ingest_datetime: datetime, email: text, phone: text",
        "ingest_datetime",
        event="patient.updated",
        contact="email: email, phone: phone",
    ),
    Table(
        "tuva__raw_data__appointment",
        ("appointment_id",),
        "person_id",
        "appointment_id: text, person_id: text, start_datetime: datetime, appointment_specialty: text",
        name=Fact("appointment_specialty"),
    ),
    Table(
        "tuva__raw_data__eligibility",
        ("person_id", "plan"),
        "member_id",
        "person_id: text, member_id: text, plan: text, enrollment_end_date: date",
        event="plan.renewal_due",
        facts="{plan.name: {column: plan, codes: plan}, plan.renewal_due: enrollment_end_date}",
    ),
)

NO_PEOPLE = {
    "*__organizations": "places of care",
    "*__payers": "insurers",
    "*__amplitude_event_type_data": "names of events",
    "*__customer360__*": "lists of codes and names",
    "dbt_hubspot__company*": "companies",
    "dbt_hubspot__contact_merge_audit_data": "which contacts were merged: both numbers lead to a person once another feed merges them (AD-31)",
    "dbt_hubspot__deal_company_data": "companies",
    "dbt_hubspot__deal_data": "deals, whose people are in deal_contact",
    "dbt_hubspot__deal_pipeline*": "stages of deals",
    "dbt_hubspot__merged_deal_data": "deals",
    "dbt_hubspot__email_campaign_data": "campaigns",
    "dbt_hubspot__email_event_d*ed_data*": "details of e-mail events, whose people are in email_event",
    "dbt_hubspot__email_event_sent_data*": "details of e-mail events, whose people are in email_event",
    "dbt_hubspot__engagement_*": "what staff did; no column says with whom",
    "dbt_hubspot__owner_data": "staff of the sender",
    "dbt_hubspot__users_data": "staff of the sender",
    "dbt_hubspot__role_data": "staff of the sender",
    "dbt_hubspot__team_user_data": "staff of the sender",
    "dbt_hubspot__property_*": "which properties there are",
    "dbt_hubspot__ticket_*": "tickets; no column says whose",
    "dbt_iterable__campaign_*": "campaigns",
    "dbt_iterable__channel_data": "ways to send",
    "dbt_iterable__event_extension_data": "details of events, whose people are in event",
    "dbt_iterable__list_data": "names of lists",
    "dbt_iterable__message_type_data": "kinds of messages",
    "dbt_iterable__template_history_data": "templates",
    "dbt_klaviyo__campaign": "campaigns",
    "dbt_klaviyo__flow": "campaigns",
    "dbt_klaviyo__metric": "names of events",
    "dbt_marketo__marketo_campaign_data": "campaigns",
    "dbt_marketo__marketo_lead_describe_data": "which columns there are",
    "dbt_marketo__marketo_program_data": "campaigns",
    "dbt_qualtrics__block*": "parts of surveys",
    "dbt_qualtrics__core_mailing_list": "names of lists",
    "dbt_qualtrics__directory": "names of lists",
    "dbt_qualtrics__directory_mailing_list": "names of lists",
    "dbt_qualtrics__question*": "questions and answers, whose people are in survey_response",
    "dbt_qualtrics__sub_question": "parts of surveys",
    "dbt_qualtrics__survey": "surveys",
    "dbt_qualtrics__survey_embedded_data": "details of answers, whose people are in survey_response",
    "dbt_qualtrics__survey_version": "surveys",
    "dbt_qualtrics__user": "staff of the sender",
    "dbt_salesforce_marketing_cloud__email_data": "texts",
    "dbt_salesforce_marketing_cloud__link*": "links",
    "dbt_salesforce_marketing_cloud__list_data": "names of lists",
    "dbt_salesforce_marketing_cloud__send_data": "campaigns, in figures",
    "dbt_salesforce_marketing_cloud__triggered_send_data": "campaigns",
    "snowpark-python__*": "numbers and words to try a reader of files with",
}
"""Tables that are none of audiences, contacts or events of people, and what they are instead."""
