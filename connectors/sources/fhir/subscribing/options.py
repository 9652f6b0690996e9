"""What a server is asked to notify us of, as caregate.yaml says under `subscribe`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.durations import Seconds
from connectors.sources.fhir.client.options import Url

DAY = 86_400.0


def _criteria(value: str) -> str:
    """A search with its type: "Encounter?status=in-progress" (S-01: no base, no slash before it)."""
    kind, mark, _ = value.partition("?")
    if not kind.isalpha() or not kind[0].isupper() or (mark and value.endswith("?")):
        raise ValueError("write it as Encounter?status=in-progress, without the server's URL")
    return value


Criteria = Annotated[str, Field(max_length=2_000), AfterValidator(_criteria)]
Canonical = Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*:\S{1,1000}$")]  # a name, never asked for
_Criterias = tuple[Criteria, ...]
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]


class SubscriptionOptions(BaseModel):
    """One of them: of R4's own kind by `criteria`, or by `topic` (R5, and R4 with the Backport guide). Times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    criteria: Criteria | None = None
    topic: Canonical | None = None
    filters: _Criterias = ()  # of a topic
    searches: _Criterias = ()  # what a topic is about, to be searched for when events were missed; else its filters
    content: Literal["empty", "id-only", "full-resource"] | None = None  # id-only of topics, full-resource of criteria
    lasts: Annotated[Seconds, Field(ge=600, le=366 * DAY)] = (
        30 * DAY
    )  # then the server ends it unless it was renewed (S-04)
    heartbeat: Annotated[Seconds, Field(ge=0, le=DAY)] = 0.0  # of topics: say something at least so often
    timeout: Annotated[Seconds, Field(ge=1, le=600)] = 30.0  # of topics: how long the server waits for our answer
    most: int = Field(default=20, ge=1, le=1_000)  # of topics: events in one notification
    reason: Annotated[str, Field(min_length=1, max_length=200)] = "Messages to patients about their care"

    @model_validator(mode="after")
    def _one_kind(self) -> SubscriptionOptions:
        if (self.criteria is None) == (self.topic is None):
            raise ValueError("tell either `criteria` or `topic`")
        if self.topic is None and (self.filters or self.searches or self.content == "id-only"):
            raise ValueError("filters, searches and content: id-only are of topics")
        if self.topic is not None and not self.lookups:
            raise ValueError("a topic needs `filters` or `searches`: else nobody knows what to search for after a gap")
        return self

    @property
    def lookups(self) -> tuple[str, ...]:
        """What finds again whatever it is about."""
        return (self.criteria,) if self.criteria else self.searches or self.filters

    @property
    def payload(self) -> str:
        """How much a notification holds."""
        return self.content or ("id-only" if self.topic else "full-resource")


class SubscribeOptions(BaseModel):
    """`endpoint`: where the server reaches this source; each subscription posts to its own name below it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoint: Url | None = None
    subscriptions: Mapping[_Name, SubscriptionOptions] = Field(default_factory=dict, max_length=64)
    every: Annotated[Seconds, Field(ge=1, le=86_400)] = 60.0  # between two looks at each
    overlap: Annotated[Seconds, Field(ge=0, le=86_400)] = 300.0  # as of `poll`

    @model_validator(mode="after")
    def _reached(self) -> SubscribeOptions:
        if self.subscriptions and self.endpoint is None:
            raise ValueError("tell the `endpoint` that the server posts to")
        return self
