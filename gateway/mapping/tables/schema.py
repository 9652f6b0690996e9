"""The shape of the files in `mappings/tables/`: what an analyst may write, checked before anything is compiled.

Each key is described here and nowhere else: editors and mappings/REFERENCE.md take it from here.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gateway.mapping.schema import Strict
from gateway.rowcells import ColumnType

RowEvent = Literal[
    "audience.entered",
    "audience.left",
    "offer.available",
    "offer.withdrawn",
    "device.upgrade_due",
    "device.upgrade_withdrawn",
    "plan.renewal_due",
    "plan.renewal_withdrawn",
    "patient.updated",
]
"""What a row may tell. What care itself tells (visits, results) is told by the record: a copy of it in a warehouse is none."""

ContactSlot = Literal["email", "phone", "mobile"]


class ColumnTold(Strict):
    """Where a fact comes from: a column, or one word for the whole table; through a code table."""

    column: str | None = Field(default=None, description="The column.", examples=["audience_key"])
    word: str | None = Field(
        default=None,
        description="Instead of a column: a word of the code table that holds for every row, of a table for one audience or product.",
        examples=["kidney-care"],
    )
    codes: str | None = Field(
        default=None, description="The code table that turns the value into our word.", examples=["audience"]
    )

    @property
    def every_path(self) -> tuple[str, ...]:
        """The column as a sequence, as the mappings of messages have their paths."""
        return () if self.column is None else (self.column,)


class IdentityTold(Strict):
    """A column with a number of the person's, as another feed tells it."""

    column: str = Field(description="The column.", examples=["mrn"])
    authority: str | None = Field(
        default=None, description="Whose number it is; the source's `authority` unless told.", examples=["LAKESIDE"]
    )
    type: str = Field(default="", description="Which number (table 0203); SS and DL never identify.", examples=["MR"])


class EventTold(Strict):
    """The event by a column's words."""

    column: str = Field(description="The column.", examples=["audience_entered"])
    codes: dict[str, RowEvent | Literal["nothing"]] = Field(
        description="What each word means; `nothing`: the row is no event for us; `otherwise`: every word that is not written, which are refused when it is not.",
        examples=["{true: audience.entered, false: audience.left}"],
    )


class GoneTold(Strict):
    """How a row says of itself that it is deleted."""

    column: str = Field(description="The column.", examples=["is_deleted"])
    values: list[str] = Field(description="Its values that mean so, without regard to case.", examples=["[true]"])


class RowFile(Strict):
    """One file in `mappings/tables/`: what a row of one table means. An overlay has the same `mapping:` name and only what it changes.

    `sources`: the only sources of the configuration it is for (X-08); all, when not told.
    """

    SECTIONS: ClassVar = ("columns", "facts", "contact")
    SINGLES: ClassVar = ("key", "at", "zone", "identity", "event", "occurred", "gone")

    mapping: str = Field(
        description="Its name, by which a source names it; files of one name are laid over one another.",
        examples=["segment-audience"],
    )
    sources: list[str] = Field(
        default_factory=list,
        description="The only sources of caregate.yaml it is for; all unless told (X-08).",
        examples=["[warehouse]"],
    )
    about: str | None = Field(
        default=None,
        description="For the reader in three years.",
        examples=["Audience membership as Segment writes it."],
    )
    columns: dict[str, ColumnType | None] = Field(
        default_factory=dict,
        description="The columns it needs, and what they hold; others are never read. One that is missing in the table stops the source (SN-02).",
        examples=["{user_id: text, received_at: datetime}"],
    )
    key: list[str] | None = Field(
        default=None, description="The columns that tell one row from another.", examples=["[user_id, audience_key]"]
    )
    at: str | None = Field(
        default=None,
        description="The column with the time at which the row was written; it orders versions (SN-12). When it is read unless told.",
        examples=["received_at"],
    )
    zone: str | None = Field(
        default=None,
        description="Where times without an offset are meant; the source's `zone` unless told (SN-13).",
        examples=["UTC"],
    )
    identity: list[IdentityTold] | None = Field(
        default=None,
        description="Who it is about: every column that is told must name the same known person. An e-mail address or telephone number identifies nobody.",
        examples=["[{column: mrn, authority: LAKESIDE, type: MR}]"],
    )
    event: RowEvent | EventTold | None = Field(
        default=None,
        description="What a row tells: one kind of event, or one by a column's words; `patient.updated` of a table of contacts alone.",
        examples=["offer.available"],
    )
    occurred: str | None = Field(
        default=None,
        description="The column with the time at which it happened; as `at` unless told.",
        examples=["entered_at"],
    )
    facts: dict[str, str | ColumnTold | None] = Field(
        default_factory=dict,
        description="Where each fact comes from. What no rule, template or gate uses is not read.",
        examples=["{audience.name: {column: audience_key, codes: audience}, audience.entered: entered_at}"],
    )
    contact: dict[ContactSlot, str | None] = Field(
        default_factory=dict,
        description="Columns that tell how the person is reached; they are added to what the record tells and take nothing from it.",
        examples=["{email: email, mobile: phone}"],
    )
    gone: GoneTold | None = Field(
        default=None,
        description="How a row says of itself that it is deleted; one that a snapshot lacks is gone as well (SN-03).",
        examples=["{column: is_deleted, values: [true]}"],
    )
