"""The map: every table, in the order in which data arrive. Each class says what one of its rows is.

Rules for all of them:

- Keys are surrogate integers. Everything that can arrive twice also has a natural unique key that never holds NULL:
  '' stands for "not given".
- Instants are in UTC; `run_id` names the run that wrote the row.
- Columns with a closed list of values take them from `abkit.vocabulary`.
- Names of constraints follow one convention, so that Alembic can change them on both engines.
"""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import TypeDecorator

from abkit.names import link_key
from abkit.redaction import redacted, redacted_values
from abkit.vocabulary import (
    Allocation,
    AppealSource,
    CorrelationScope,
    CorrelationStatistic,
    CreativeAction,
    DriftDecision,
    DriftVerdict,
    Fatigue,
    IdeaSource,
    Layer,
    LinkedBy,
    Metric,
    MissedTicks,
    RejectKind,
    ReviewAct,
    ReviewState,
    Role,
    RunState,
    Severity,
    Tells,
    TrialDecision,
    Unit,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: takes only datetimes with a time zone, keeps UTC, gives back UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes; SQLite keeps UTC without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        instant: datetime = value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


# SQLite numbers rows by itself only in a column declared INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")
Json = JSON().with_variant(JSONB(), "postgresql")


class Told(TypeDecorator[str]):
    """A text that tells what happened. It may quote what was typed or configured: secrets in it are not stored."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Take the secrets out."""
        return redacted(value) if value else value


class ToldJson(TypeDecorator[dict[str, Any]]):
    """The same for arguments, outcomes and evidence."""

    impl = Json
    cache_ok = True

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Let members be compared as those of any JSON are."""
        return self.impl_instance.coerce_compared_value(op, value)

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> Any:
        """Take the secrets out."""
        return redacted_values(value)


class Base(DeclarativeBase):
    """What all tables share: a key, a name like that of the class, and the column type of each Python type."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        int: BigInteger,
        str: Text,
        float: Float(53),
        datetime: UtcDateTime,
        date: Date,
        dict[str, Any]: Json,
        list[float]: Json,
        list[str]: Json,
        bytes: LargeBinary,
    }
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True, sort_order=-1)

    @declared_attr.directive
    def __tablename__(cls) -> str:  # noqa: N805  # SQLAlchemy calls it with the class
        """Return the name of the class in snake case: `kpi_import` for `KpiImport`."""
        return re.sub(r"\B(?=[A-Z])", "_", cls.__name__).lower()


def _ref(target: str, *, ondelete: str | None = None, **options: Any) -> Mapped[Any]:
    return mapped_column(BigInteger, ForeignKey(f"{target}.id", ondelete=ondelete), **options)


def _one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    listed = ",".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _link_key_of(column: str) -> Mapped[str]:
    def key(context: DefaultExecutionContext) -> str:
        return link_key(context.get_current_parameters()[column])  # type: ignore[no-untyped-call]

    return mapped_column(Text, default=key, index=True)


# --- who did what ---------------------------------------------------------------------------------------------


class Run(Base):
    """One execution of a command or of a scheduled tick. Every figure points to the run that made it."""

    __table_args__ = (
        # A tick of a schedule runs once; commands have no schedule and may run at any time.
        Index(
            "uq_run_schedule_tick",
            "schedule",
            "tick",
            unique=True,
            sqlite_where=text("schedule <> ''"),
            postgresql_where=text("schedule <> ''"),
        ),
        _one_of("state", RunState),
    )
    what: Mapped[str]  # "score", "kpi import", "drift check", …
    arguments: Mapped[dict[str, Any]] = mapped_column(ToldJson)
    code_version: Mapped[str]
    schedule: Mapped[str] = mapped_column(default="")
    tick: Mapped[datetime]
    state: Mapped[str]  # RunState
    attempt: Mapped[int] = mapped_column(default=1)  # raised by each takeover
    owner: Mapped[str]  # host:pid of the process that runs it
    lease_until: Mapped[datetime]  # from then on another process may take the run over
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[dict[str, Any] | None] = mapped_column(ToldJson)  # counts, or the error


# --- what is advertised, with which creatives -----------------------------------------------------------------


class Campaign(Base):
    """What is being advertised, for whom."""

    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class Creative(Base):
    """One image or video content, whatever its names: two files with equal bytes are one creative."""

    sha256: Mapped[str] = mapped_column(unique=True)
    perceptual_hash: Mapped[str]  # 16 hexadecimal digits; near-duplicates differ in few bits
    width: Mapped[int]  # pixels, after the EXIF rotation
    height: Mapped[int]
    media_type: Mapped[str]
    bytes: Mapped[int]
    # How its pixels came about, with the rules that made them; None where an earlier release read it.
    reading: Mapped[dict[str, Any] | None]
    # Brightness, contrast, …: abkit.intake.media.properties; None where an earlier release read it.
    properties: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class CreativeAlias(Base):
    """A path or name under which a creative came. One creative may have several, and one name may mean several."""

    __table_args__ = (
        UniqueConstraint("creative_id", "name"),
        Index("ix_creative_alias_base_name", "base_name"),
    )
    creative_id: Mapped[int] = _ref("creative")
    name: Mapped[str]  # as it was given, an absolute path as a rule
    base_name: Mapped[str]  # its last part with composed accents, which is what KPI exports call the creative
    link_key: Mapped[str] = _link_key_of("base_name")  # what linking compares: abkit.names
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class CampaignAlias(Base):
    """A creative came into a campaign under this name. In another campaign it may have another one."""

    __table_args__ = (
        UniqueConstraint("campaign_id", "creative_alias_id"),
        Index("ix_campaign_alias_creative_alias_id", "creative_alias_id"),
    )
    campaign_id: Mapped[int] = _ref("campaign")
    creative_alias_id: Mapped[int] = _ref("creative_alias")
    run_id: Mapped[int] = _ref("run")


class CampaignCreative(Base):
    """A creative that is a candidate for a campaign or runs in it."""

    __table_args__ = (
        UniqueConstraint("campaign_id", "creative_id"),
        Index("ix_campaign_creative_creative_id", "creative_id"),
    )
    campaign_id: Mapped[int] = _ref("campaign")
    creative_id: Mapped[int] = _ref("creative")
    launched_on: Mapped[date | None]  # the first day with impressions; None before
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class CreativeTag(Base):
    """A word that people gave a creative, to find it by."""

    __table_args__ = (UniqueConstraint("creative_id", "tag"),)
    creative_id: Mapped[int] = _ref("creative")
    tag: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class Idea(Base):
    """What several creatives show in other sizes or crops. A creative without a row is an idea of its own."""

    name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class IdeaCreative(Base):
    """A creative is one of the sizes of an idea, and how that was found."""

    __table_args__ = (_one_of("source", IdeaSource),)
    creative_id: Mapped[int] = _ref("creative", unique=True)
    idea_id: Mapped[int] = _ref("idea", index=True)
    source: Mapped[str]  # IdeaSource
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


# --- the scorer and what it says ------------------------------------------------------------------------------


class ModelVersion(Base):
    """One trained scorer, known by the digest of its checkpoint."""

    digest: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    location: Mapped[str]  # "shipped", or the folder of the checkpoint
    encoder: Mapped[str]
    encoder_fingerprint: Mapped[str]
    scale_low: Mapped[float]
    scale_high: Mapped[float]
    segment: Mapped[str] = mapped_column(default="")  # what it was trained for; '' is everything
    demonstration: Mapped[bool]  # whether users are warned that its scores are for trying things out
    card: Mapped[dict[str, Any]]  # the whole model card
    # npz: scores (N,) and embeddings (N, E) of a sample of its training images: a megabyte,
    # which only models.reference_of reads
    reference: Mapped[bytes | None] = mapped_column(deferred=True, deferred_raiseload=True)
    parent_id: Mapped[int | None] = _ref("model_version")
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class ReferenceSketch(Base):
    """What a version scored in months that are over: a check need not read their creatives again."""

    model_version_id: Mapped[int] = _ref("model_version", unique=True)
    content: Mapped[dict[str, Any]]  # by month: launches of each day, a sketch of the scores, and what these rest on
    made_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class Promotion(Base):
    """A version became the active model of a segment. The last row counts; a rollback is another row."""

    __table_args__ = (Index("ix_promotion_segment_id", "segment", "id"),)
    model_version_id: Mapped[int] = _ref("model_version")
    segment: Mapped[str] = mapped_column(default="")
    promoted_at: Mapped[datetime]
    promoted_by: Mapped[str]
    why: Mapped[str] = mapped_column(Told)
    run_id: Mapped[int] = _ref("run")


class Embedding(Base):
    """The pooled features that one encoder computed of a creative."""

    __table_args__ = (UniqueConstraint("creative_id", "encoder_fingerprint"),)
    creative_id: Mapped[int] = _ref("creative")
    encoder_fingerprint: Mapped[str]
    vector: Mapped[bytes]  # float16, little-endian
    run_id: Mapped[int] = _ref("run")


class Score(Base):
    """One creative scored by one model version, on that version's scale."""

    __table_args__ = (
        UniqueConstraint("creative_id", "model_version_id"),
        Index("ix_score_model_version_id", "model_version_id"),
    )
    creative_id: Mapped[int] = _ref("creative")
    model_version_id: Mapped[int] = _ref("model_version")
    mean: Mapped[float]
    std: Mapped[float]  # the predicted spread of opinion
    epistemic_std: Mapped[float | None]  # the spread between the members of the ensemble
    distribution: Mapped[list[float]]  # over the bins of the scale, sums to 1
    ci_low: Mapped[float | None]  # None where the version is not calibrated
    ci_high: Mapped[float | None]
    ci_level: Mapped[float]
    query_activations: Mapped[list[float]]  # of each query of each member
    # Distance from the training images; above 1 the interval promises nothing. None where the version has no limit,
    # and in rows written by an earlier release.
    novelty: Mapped[float | None]
    scored_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run", index=True)


class BriefFit(Base):
    """How well a creative fits the text of a brief, in the space of one encoder: a cosine, not a probability."""

    __table_args__ = (
        UniqueConstraint("creative_id", "encoder_fingerprint", "brief_sha256"),
        CheckConstraint("cosine >= -1.000001 AND cosine <= 1.000001", name="cosine"),
    )
    creative_id: Mapped[int] = _ref("creative")
    encoder: Mapped[str]
    encoder_fingerprint: Mapped[str]
    brief: Mapped[str]
    brief_sha256: Mapped[str]  # of the text: engines limit the length of keys
    cosine: Mapped[float]
    made_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run", index=True)


# --- what the platforms delivered -----------------------------------------------------------------------------


class KpiImport(Base):
    """One imported KPI file, with what became of its rows."""

    digest: Mapped[str] = mapped_column(unique=True)  # of the content and of the way it was read
    name: Mapped[str]
    options: Mapped[dict[str, Any]]  # mapping, detected formats, decimal sign, …
    rows: Mapped[int]
    imported: Mapped[int]
    updated: Mapped[int]
    unchanged: Mapped[int]
    unlinked: Mapped[int]
    rejected: Mapped[int]
    set_aside: Mapped[int] = mapped_column(default=0, server_default="0")  # total lines and rows without delivery
    # Of the days in the file: an IANA name such as Europe/Berlin; '' is unknown.
    time_zone: Mapped[str] = mapped_column(default="", server_default="")
    contents: Mapped[dict[str, Any] | None]  # accounts, days, totals, with a format version; None in an earlier release
    imported_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class KpiArchive(Base):
    """A part of what an import delivered, compressed: rows that two files share outlive the undo of one of them."""

    __table_args__ = (UniqueConstraint("kpi_import_id", "stage", "part"),)
    kpi_import_id: Mapped[int] = _ref("kpi_import")
    stage: Mapped[str]  # the staging table that the rows were in
    part: Mapped[int]
    content: Mapped[bytes]  # Parquet


class KpiUndo(Base):
    """An import that was taken back out; its row in `kpi_import` stays, as a trace."""

    kpi_import_id: Mapped[int] = _ref("kpi_import", unique=True)
    undone_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class KpiRetention(Base):
    """Rows of days that are long over were moved into files; the first days of creatives are as they were."""

    __table_args__ = (UniqueConstraint("run_id"),)
    before: Mapped[date]  # rows whose period ended before this day
    folder: Mapped[str]
    rows: Mapped[int]
    impressions: Mapped[int]
    first_day: Mapped[date]
    last_day: Mapped[date]
    made_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class KpiMapping(Base):
    """What a person said about the columns of one header, with `--map`: it goes for the next file of the account."""

    __table_args__ = (UniqueConstraint("header", "platform", "account"),)
    header: Mapped[str]  # sha256 of the column names
    platform: Mapped[str] = mapped_column(default="")
    account: Mapped[str] = mapped_column(default="")
    mapping: Mapped[dict[str, Any]]  # by column name, the field; '' leaves the column out
    columns: Mapped[list[str]]
    kpi_import_id: Mapped[int] = _ref("kpi_import")  # the file with which it was said
    run_id: Mapped[int] = _ref("run")


class KpiReject(Base):
    """A row of a KPI file that is not in `kpi`: refused, or set aside as no fault; with its line and the reason."""

    __table_args__ = (UniqueConstraint("kpi_import_id", "line"), _one_of("kind", RejectKind))
    kpi_import_id: Mapped[int] = _ref("kpi_import")
    kind: Mapped[str] = mapped_column(default=RejectKind.REJECTED, server_default="rejected")
    line: Mapped[int]
    reason: Mapped[str]
    content: Mapped[dict[str, Any]]  # its cells by column


class Segment(Base):
    """A slice of delivery by `Dimension` and by where the ad was placed; '' means all, or not given."""

    __table_args__ = (
        UniqueConstraint(
            "platform", "placement", "country", "device", "age", "gender", "other", "region", "campaign", "ad_set"
        ),
    )
    platform: Mapped[str] = mapped_column(default="")
    placement: Mapped[str] = mapped_column(default="")
    country: Mapped[str] = mapped_column(default="")
    device: Mapped[str] = mapped_column(default="")
    age: Mapped[str] = mapped_column(default="")
    gender: Mapped[str] = mapped_column(default="")
    other: Mapped[str] = mapped_column(default="")
    region: Mapped[str] = mapped_column(default="", server_default="")
    # As in the export, of ads with an id: one ad can run in several, and each file may hold one of them.
    campaign: Mapped[str] = mapped_column(default="", server_default="")
    ad_set: Mapped[str] = mapped_column(default="", server_default="")
    # The campaign that is meant, whatever it is called now; None where the row names none.
    campaign_id: Mapped[int | None] = _ref("campaign")
    # By dimension, campaign and ad set: V has a value, I an id, A is a word for "all", - is not given. None until rows
    # of it were first counted.
    breakdown: Mapped[str | None]


class Ad(Base):
    """An ad of a platform. It may show several creatives, and may be known before any of them."""

    __table_args__ = (UniqueConstraint("platform", "account", "external_id"),)
    platform: Mapped[str] = mapped_column(default="")
    account: Mapped[str] = mapped_column(default="")
    external_id: Mapped[str]
    ad_set: Mapped[str] = mapped_column(default="", server_default="")  # as last named; a part of the id of ads without
    creative_name: Mapped[str] = mapped_column(default="")  # as in the latest export that names one
    campaign_id: Mapped[int | None] = _ref("campaign", index=True)
    run_id: Mapped[int] = _ref("run")
    # The ad that this one repeats under another name; its rows count as rows of that one.
    same_as: Mapped[int | None] = mapped_column(index=True)


class AdName(Base):
    """A name that an ad has had in an export: of its creative, or its own where there is none. Links are made by it."""

    __table_args__ = (UniqueConstraint("ad_id", "name"),)
    ad_id: Mapped[int] = _ref("ad")
    name: Mapped[str]
    link_key: Mapped[str] = _link_key_of("name")  # what linking compares: abkit.names
    run_id: Mapped[int] = _ref("run")


class AdUnlinked(Base):
    """A person removed the links of this ad: linking by names leaves it alone until a person links it again."""

    ad_id: Mapped[int] = _ref("ad", unique=True)
    run_id: Mapped[int] = _ref("run")


class AdCreative(Base):
    """An ad shows a creative."""

    __table_args__ = (
        UniqueConstraint("ad_id", "creative_id"),
        Index("ix_ad_creative_creative_id", "creative_id"),
        _one_of("linked_by", LinkedBy),
    )
    ad_id: Mapped[int] = _ref("ad")
    creative_id: Mapped[int] = _ref("creative")
    linked_by: Mapped[str]  # LinkedBy
    confidence: Mapped[float | None]  # of a suggestion that a person took, 0 … 1
    run_id: Mapped[int] = _ref("run")


class Kpi(Base):
    """What an ad delivered in a segment over a period: a day as a rule, longer where the export has totals only."""

    __table_args__ = (
        UniqueConstraint("ad_id", "segment_id", "period_start", "period_end", "event", "attribution_window"),
        Index("ix_kpi_period_end", "period_end"),
        # Few rows do not count, and every analysis says how many.
        Index(
            "ix_kpi_left_out",
            "left_out",
            "ad_id",
            sqlite_where=text("left_out <> ''"),
            postgresql_where=text("left_out <> ''"),
        ),
        CheckConstraint("period_end >= period_start", name="period"),
        CheckConstraint("impressions >= 0 AND clicks >= 0 AND conversions >= 0", name="counts"),
    )
    ad_id: Mapped[int] = _ref("ad")
    segment_id: Mapped[int] = _ref("segment")
    period_start: Mapped[date]
    period_end: Mapped[date]  # inclusive
    event: Mapped[str] = mapped_column(default="")  # which kind of conversion
    attribution_window: Mapped[str] = mapped_column(default="")
    currency: Mapped[str] = mapped_column(default="")
    impressions: Mapped[int]
    clicks: Mapped[int]  # may exceed the impressions of a day: shown before midnight, clicked after it
    conversions: Mapped[float]  # may exceed clicks: view-through; fractional where the platform divides the credit
    spend: Mapped[float | None]
    revenue: Mapped[float | None]
    kpi_import_id: Mapped[int] = _ref("kpi_import")
    left_out: Mapped[str] = mapped_column(default="", server_default="")  # '' counts; else SetAsideReason


class KpiRevision(Base):
    """The former figures of a row that a later import restated, and that import."""

    __table_args__ = (UniqueConstraint("kpi_id", "kpi_import_id"),)
    kpi_id: Mapped[int] = _ref("kpi")
    kpi_import_id: Mapped[int] = _ref("kpi_import")
    impressions: Mapped[int]
    clicks: Mapped[int]
    conversions: Mapped[float]
    spend: Mapped[float | None]
    revenue: Mapped[float | None]
    currency: Mapped[str] = mapped_column(default="")
    former_import_id: Mapped[int | None]  # whose figures these were; None in an earlier release


# --- what people and audiences said ---------------------------------------------------------------------------


class RatingSource(Base):
    """One study, panel or series of A/B tests: its scale, and the salt of its raters' pseudonyms."""

    key: Mapped[str] = mapped_column(unique=True)
    scale_low: Mapped[float | None]  # None while it has comparisons only
    scale_high: Mapped[float | None]
    salt: Mapped[bytes]  # once emptied, pseudonyms can never again be tied to names
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class RatingImport(Base):
    """One imported table of ratings or comparisons, with what became of its rows."""

    digest: Mapped[str] = mapped_column(unique=True)  # of the table, of its images and of the way it was read
    name: Mapped[str]
    rating_source_id: Mapped[int] = _ref("rating_source")
    kind: Mapped[str]  # votes, summaries, comparisons
    options: Mapped[dict[str, Any]]
    rows: Mapped[int]
    imported: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[int]
    imported_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class RatingReject(Base):
    """A row of such a table that was refused, with its line and the reason; cells may name people and are not kept."""

    __table_args__ = (UniqueConstraint("rating_import_id", "line"),)
    rating_import_id: Mapped[int] = _ref("rating_import")
    line: Mapped[int]
    reason: Mapped[str]


class Rater(Base):
    """A person who judged, under a pseudonym. '' stands for everybody in tables that name no rater."""

    __table_args__ = (UniqueConstraint("rating_source_id", "pseudonym"),)
    rating_source_id: Mapped[int] = _ref("rating_source")
    pseudonym: Mapped[str]  # a keyed digest of the name; "test:…" for an A/B test
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class Rating(Base):
    """One score that a rater gave a creative, on the scale of the source."""

    __table_args__ = (
        UniqueConstraint("rater_id", "creative_id", "rated_at"),
        Index("ix_rating_creative_id", "creative_id"),
    )
    rater_id: Mapped[int] = _ref("rater")
    creative_id: Mapped[int] = _ref("creative")
    rated_at: Mapped[str] = mapped_column(default="")  # as in the table
    score: Mapped[float]
    rating_import_id: Mapped[int] = _ref("rating_import", index=True)


class RatingSummary(Base):
    """The ratings of a creative in a source that has no single ratings: a histogram, or mean and number."""

    __table_args__ = (
        UniqueConstraint("rating_source_id", "creative_id"),
        Index("ix_rating_summary_creative_id", "creative_id"),
    )
    rating_source_id: Mapped[int] = _ref("rating_source")
    creative_id: Mapped[int] = _ref("creative")
    n: Mapped[int]
    mean: Mapped[float]
    sd: Mapped[float | None]
    counts: Mapped[list[float] | None]  # ratings per step of the scale; None where only the mean is known
    rating_import_id: Mapped[int] = _ref("rating_import", index=True)


class Comparison(Base):
    """One creative against another: the vote of a rater, or the outcome of an A/B test."""

    __table_args__ = (
        UniqueConstraint("rater_id", "first_id", "second_id", "compared_at"),
        Index("ix_comparison_first_id", "first_id"),
        Index("ix_comparison_second_id", "second_id"),
        CheckConstraint("first_id < second_id", name="pair"),
        CheckConstraint("share >= 0 AND share <= 1 AND weight > 0", name="share"),
    )
    rater_id: Mapped[int] = _ref("rater")
    first_id: Mapped[int] = _ref("creative")  # the smaller id, in whichever order they were shown
    second_id: Mapped[int] = _ref("creative")
    compared_at: Mapped[str] = mapped_column(default="")  # as in the table
    share: Mapped[float]  # of the votes, how many were for the first; 0.5 is a tie
    weight: Mapped[float]  # number of votes, or how certain the outcome is
    rating_import_id: Mapped[int] = _ref("rating_import", index=True)


class RaterLink(Base):
    """A link with which a rater labels; it opens nothing else."""

    digest: Mapped[str] = mapped_column(unique=True)  # SHA-256 of the token, which nobody keeps
    rater_id: Mapped[int] = _ref("rater", index=True)
    name: Mapped[str]  # whom it was made for; '' once they are forgotten
    campaign_id: Mapped[int | None] = _ref("campaign", index=True)  # None: creatives of all campaigns
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    run_id: Mapped[int] = _ref("run")


class LabelQuestion(Base):
    """A question in a rater's queue: which of two creatives is better, or how good one is; and the answer."""

    __table_args__ = (UniqueConstraint("rater_id", "number"), _one_of("tells", Tells))
    rater_id: Mapped[int] = _ref("rater")
    number: Mapped[int]  # of the rater: 1, 2, …
    campaign_id: Mapped[int | None] = _ref("campaign", index=True)  # asked about it alone; None: about all
    left_id: Mapped[int] = _ref("creative")
    right_id: Mapped[int | None] = _ref("creative")  # None where it is about one
    tells: Mapped[str]  # Tells
    gain: Mapped[float | None]  # share of what was not known about the ranking that the answer was expected to tell
    repeats_id: Mapped[int | None] = _ref("label_question")  # the one that this asks again, with its sides changed
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(default="")  # left, right, tie, or a number; '' while it is open
    run_id: Mapped[int] = _ref("run")


# --- what may be launched -------------------------------------------------------------------------------------


class ReviewFlow(Base):
    """What was agreed about reviews in a campaign. The last row counts."""

    __table_args__ = (
        Index("ix_review_flow_campaign_id", "campaign_id", "id"),
        CheckConstraint("approvals >= 1 AND approvals <= 5", name="approvals"),
    )
    campaign_id: Mapped[int] = _ref("campaign")
    approvals: Mapped[int]  # how many people have to approve a variant
    gate: Mapped[bool]  # whether `abkit shortlist --gate` asks for approval
    note: Mapped[str] = mapped_column(Told, default="")  # what was agreed, in words
    agreed_by: Mapped[str]
    agreed_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class Review(Base):
    """Somebody proposed, approved or rejected a variant of a campaign, or wrote about it. Append-only."""

    __table_args__ = (
        Index("ix_review_campaign_id", "campaign_id", "creative_id", "id"),
        Index("ix_review_creative_id", "creative_id"),
        _one_of("act", ReviewAct),
        _one_of("state", ReviewState),
    )
    campaign_id: Mapped[int] = _ref("campaign")
    creative_id: Mapped[int] = _ref("creative")
    act: Mapped[str]  # ReviewAct
    state: Mapped[str]  # ReviewState, after it
    reviewer: Mapped[str]  # who did it
    reason: Mapped[str] = mapped_column(Told, default="")
    at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


# --- what was found -------------------------------------------------------------------------------------------


class Appeal(Base):
    """What a creative got in a campaign over what was expected where it was shown, as a run found it."""

    __table_args__ = (
        UniqueConstraint("run_id", "metric", "segment", "experiment", "campaign_id", "creative_id"),
        Index("ix_appeal_metric", "metric", "as_of"),
        Index("ix_appeal_creative_id", "creative_id"),
        _one_of("metric", Metric),
        _one_of("source", AppealSource),
    )
    run_id: Mapped[int] = _ref("run")
    # It goes with its campaign and creative, and can be found again for what takes their place.
    creative_id: Mapped[int] = _ref("creative", ondelete="CASCADE")
    campaign_id: Mapped[int] = _ref("campaign", ondelete="CASCADE", index=True)
    idea: Mapped[int]  # id of its idea at that time; below 0 for a creative that is one of its own
    metric: Mapped[str]  # Metric
    segment: Mapped[str] = mapped_column(default="")
    source: Mapped[str]  # AppealSource
    experiment: Mapped[str] = mapped_column(default="")  # key of the experiment whose allocation was random
    window_start: Mapped[date | None]
    as_of: Mapped[date]  # the last day that counted
    definition: Mapped[int]  # version of the definition: figures of different ones are not comparable
    comparable: Mapped[int]  # only creatives of a run with one number were shown beside each other; -1 beside none
    events: Mapped[float]
    expected: Mapped[float]
    exposure: Mapped[float]
    appeal: Mapped[float | None]  # log of events over those expected; None where it is not identified
    variance: Mapped[float | None]  # of sampling, in comparisons
    ci_low: Mapped[float | None]  # None is open
    ci_high: Mapped[float | None]
    shrunk: Mapped[float | None]
    shrunk_sd: Mapped[float | None]
    identified: Mapped[bool]
    steered: Mapped[bool]  # impressions are shown to have followed events in its campaign: its variance is doubled
    own: Mapped[float]  # share of its own events in the level that it is compared with
    spread: Mapped[float]  # true variance between the creatives of a group, of the whole run
    spread_error: Mapped[float | None]  # None where no group has two creatives
    dispersion: Mapped[float]  # over-dispersion of days, of the whole run
    note: Mapped[str] = mapped_column(Told, default="")  # why it is not identified, or counts less


class CorrelationResult(Base):
    """Scores against a KPI: one coefficient, with its interval, window and filters."""

    __table_args__ = (
        UniqueConstraint("run_id", "model_version_id", "metric", "segment", "scope", "statistic"),
        _one_of("metric", Metric),
        _one_of("scope", CorrelationScope),
        _one_of("statistic", CorrelationStatistic),
    )
    run_id: Mapped[int] = _ref("run")
    model_version_id: Mapped[int] = _ref("model_version")
    metric: Mapped[str]  # Metric
    segment: Mapped[str] = mapped_column(default="")
    scope: Mapped[str]  # CorrelationScope
    statistic: Mapped[str]  # CorrelationStatistic
    estimate: Mapped[float | None]
    ci_low: Mapped[float | None]
    ci_high: Mapped[float | None]
    ci_level: Mapped[float]
    n: Mapped[int]
    method: Mapped[str]
    note: Mapped[str] = mapped_column(Told, default="")  # why there is no estimate
    window_start: Mapped[date | None]
    window_end: Mapped[date | None]
    as_of: Mapped[date]
    filters: Mapped[dict[str, Any]]  # minimum impressions, campaign; what was left out, and why


class DriftResult(Base):
    """One test in one layer of a drift check: the current window against the reference."""

    __table_args__ = (
        UniqueConstraint("run_id", "layer", "test", "segment"),
        _one_of("layer", Layer),
        _one_of("verdict", DriftVerdict),
    )
    run_id: Mapped[int] = _ref("run")
    model_version_id: Mapped[int | None] = _ref("model_version")
    layer: Mapped[str]  # Layer
    test: Mapped[str]
    segment: Mapped[str] = mapped_column(default="")
    statistic: Mapped[float | None]
    ci_low: Mapped[float | None]
    ci_high: Mapped[float | None]
    p_value: Mapped[float | None]
    q_value: Mapped[float | None]
    n_reference: Mapped[int]
    n_current: Mapped[int]
    threshold: Mapped[float | None]
    verdict: Mapped[str]  # DriftVerdict
    detail: Mapped[dict[str, Any]]
    reference_window: Mapped[str]
    current_window: Mapped[str]
    as_of: Mapped[date]


class Decision(Base):
    """What follows from one drift check: the first row of the decision table that applies."""

    __table_args__ = (_one_of("decision", DriftDecision),)
    run_id: Mapped[int] = _ref("run", unique=True)
    model_version_id: Mapped[int | None] = _ref("model_version")
    decision: Mapped[str]  # DriftDecision
    cause: Mapped[str] = mapped_column(default="")
    reasons: Mapped[dict[str, Any]]
    scope: Mapped[str] = mapped_column(default="")  # the two windows; decisions of one scope form a series
    standing: Mapped[bool] = mapped_column(default=True)  # of the standing check, which owns headline and alert
    layers_judged: Mapped[int | None]  # of five; None in rows of releases that did not count them
    window_start: Mapped[date | None]  # first day of delivery of the current window; None for campaigns
    launched_since: Mapped[date | None]  # first launch in the window, where it was compared with earlier creatives
    as_of: Mapped[date]
    decided_at: Mapped[datetime]

    @property
    def coarse(self) -> int:
        """How many of the layers were judged for major shifts only."""
        return len((self.reasons or {}).get("coarse", ()))


class RetrainTrial(Base):
    """A challenger beside a champion: what it learned from, what both were judged on, and what came of it."""

    __table_args__ = (
        _one_of("metric", Metric),
        _one_of("decision", TrialDecision),
        CheckConstraint("attempt >= 0 AND spent >= 0", name="spent"),
        # Two processes that judge at once do not both make judgment number k.
        Index(
            "uq_retrain_trial_attempt",
            "champion_id",
            "attempt",
            unique=True,
            sqlite_where=text("attempt > 0"),
            postgresql_where=text("attempt > 0"),
        ),
        Index("ix_retrain_trial_challenger_id", "challenger_id"),
    )
    champion_id: Mapped[int] = _ref("model_version")
    challenger_id: Mapped[int | None] = _ref("model_version")  # None where nothing was trained
    segment: Mapped[str] = mapped_column(default="")
    metric: Mapped[str]  # Metric
    learned_until: Mapped[date | None]  # the last day that the challenger learned from; None where nothing was trained
    judged_first: Mapped[date | None]  # first and last day of launch of the creatives that were judged
    judged_last: Mapped[date | None]
    as_of: Mapped[date]  # the last day of delivery that counts
    campaigns: Mapped[int]
    creatives: Mapped[int]  # families: the sizes of one idea count once
    attempt: Mapped[int]  # number of the judgment against this champion; 0 where none was made
    spent: Mapped[float]  # how often such a judgment may promote by mistake
    gain: Mapped[float | None]
    gain_low: Mapped[float | None]
    figures: Mapped[dict[str, Any]]  # with a format version
    decision: Mapped[str]  # TrialDecision
    reason: Mapped[str] = mapped_column(Told)
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run", index=True)


class RetrainJudged(Base):
    """A creative was used in a judgment against a champion: it is used once for each."""

    __table_args__ = (UniqueConstraint("champion_id", "creative_id"),)
    champion_id: Mapped[int] = _ref("model_version")
    creative_id: Mapped[int] = _ref("creative")
    retrain_trial_id: Mapped[int] = _ref("retrain_trial", index=True)


# --- what pages show ------------------------------------------------------------------------------------------


class Leaderboard(Base):
    """What a campaign's page says above its creatives, as a run found it; made anew when something has changed."""

    # It goes with its campaign, and can be made again.
    campaign_id: Mapped[int] = _ref("campaign", ondelete="CASCADE", unique=True)
    model_version_id: Mapped[int | None] = _ref("model_version", ondelete="CASCADE")
    as_of: Mapped[date]  # the last day of delivery that counts
    stamp: Mapped[str]  # of what it was made from: another one means that something has changed
    summary: Mapped[dict[str, Any]]  # with a format version
    made_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


class LeaderboardEntry(Base):
    """A creative of a campaign with the figures that it is sorted and filtered by; what is not known is NULL."""

    __table_args__ = (
        UniqueConstraint("campaign_id", "creative_id"),
        Index("ix_leaderboard_entry_creative_id", "creative_id"),
        Index("ix_leaderboard_entry_campaign_id_rank", "campaign_id", "rank"),
        _one_of("action", CreativeAction),
        _one_of("fatigue", Fatigue),
    )
    campaign_id: Mapped[int] = _ref("campaign", ondelete="CASCADE")
    creative_id: Mapped[int] = _ref("creative", ondelete="CASCADE")
    name: Mapped[str]  # as much of its path as tells it from the others
    idea: Mapped[int]  # id of its idea; below 0 for a creative that is one of its own
    format: Mapped[str]  # square, portrait, landscape
    rank: Mapped[int | None]
    score: Mapped[float | None]
    score_low: Mapped[float | None]
    score_high: Mapped[float | None]
    unlike: Mapped[bool]  # unlike what the model was trained on: its score has no interval
    p_best: Mapped[float | None]
    impressions: Mapped[int]
    clicks: Mapped[int]
    conversions: Mapped[float]
    spend: Mapped[float | None]
    revenue: Mapped[float | None]
    ctr: Mapped[float | None]
    ctr_low: Mapped[float | None]
    ctr_high: Mapped[float | None]
    cvr: Mapped[float | None]
    cvr_low: Mapped[float | None]
    cvr_high: Mapped[float | None]
    cpa: Mapped[float | None]
    cpa_low: Mapped[float | None]
    cpa_high: Mapped[float | None]
    roas: Mapped[float | None]
    roas_low: Mapped[float | None]
    roas_high: Mapped[float | None]
    lift: Mapped[float | None]  # CTR over the average of its campaign, less 1
    lift_low: Mapped[float | None]
    lift_high: Mapped[float | None]
    per_week: Mapped[float | None]  # in money, beyond an average creative at its present delivery
    action: Mapped[str | None]  # CreativeAction
    fatigue: Mapped[str | None]  # Fatigue; None where it does not run
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]
    similar: Mapped[list[float]]  # id and cosine of those that look most alike, one after the other


# --- who is told ----------------------------------------------------------------------------------------------


class Alert(Base):
    """An episode of something that needs a person, and what became of it."""

    __table_args__ = (
        _one_of("severity", Severity),
        UniqueConstraint("fingerprint", "opened_at"),
        # At most one open episode per fingerprint, however many processes there are.
        Index(
            "uq_alert_open",
            "fingerprint",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )
    fingerprint: Mapped[str]
    rule: Mapped[str]
    labels: Mapped[dict[str, Any]] = mapped_column(ToldJson)
    severity: Mapped[str]  # Severity
    title: Mapped[str] = mapped_column(Told)
    message: Mapped[str] = mapped_column(Told)
    evidence: Mapped[dict[str, Any]] = mapped_column(ToldJson)  # run ids, figures, and the command that shows them
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    times_seen: Mapped[int] = mapped_column(default=1)
    times_returned: Mapped[int] = mapped_column(default=0)  # how often it came back before it was resolved
    news_at: Mapped[datetime]  # when it was opened or became more severe: channels are told at once
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(default="")
    silenced_until: Mapped[datetime | None]
    silence_reason: Mapped[str] = mapped_column(Told, default="")
    clear_since: Mapped[datetime | None]  # since when the condition is gone; it may come back
    resolves_at: Mapped[datetime | None]  # when it counts as resolved unless it comes back
    resolved_at: Mapped[datetime | None]
    run_id: Mapped[int] = _ref("run")


class AlertDelivery(Base):
    """One attempt to tell one channel about an alert."""

    __table_args__ = (UniqueConstraint("alert_id", "channel", "kind", "sequence", "attempt"),)
    alert_id: Mapped[int] = _ref("alert")
    channel: Mapped[str]  # its name in the configuration, never its address
    kind: Mapped[str]  # opened, repeated, resolved
    sequence: Mapped[int]  # number of the message within its kind
    attempt: Mapped[int]
    state: Mapped[str]  # pending, sending, delivered, failed, given_up
    due_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(Told, default="")
    run_id: Mapped[int | None] = _ref("run")


class Schedule(Base):
    """What runs when: cron in UTC. The process that moves `next_run_at` on has claimed the tick."""

    __table_args__ = (_one_of("missed", MissedTicks),)
    key: Mapped[str] = mapped_column(unique=True)
    job: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    cron: Mapped[str]
    jitter_s: Mapped[int] = mapped_column(default=0)
    grace_s: Mapped[int]
    time_limit_s: Mapped[int]
    missed: Mapped[str]  # MissedTicks
    enabled: Mapped[bool] = mapped_column(default=True)
    source: Mapped[str]  # "abkit.toml", "built-in", or "command"
    next_run_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    backoff_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class JobRequest(Base):
    """A job that somebody asked for once: the daemon runs it beside those of the schedules."""

    key: Mapped[str] = mapped_column(unique=True)
    job: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    run_id: Mapped[int | None] = _ref("run", index=True)  # None until a daemon has claimed it


class RequestAnswer(Base):
    """The answer to a request that must take effect once; the same request gets it again within a day."""

    __table_args__ = (UniqueConstraint("person", "key"), Index("ix_request_answer_made_at", "made_at"))
    person: Mapped[str]
    key: Mapped[str]  # the Idempotency-Key that they chose
    digest: Mapped[str]  # of the request
    made_at: Mapped[datetime]
    status: Mapped[int | None]  # None while it is being answered
    media_type: Mapped[str]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes | None]


# --- A/B tests ------------------------------------------------------------------------------------------------


class Experiment(Base):
    """An A/B test: what is randomized, how it is allocated, how it was planned."""

    __table_args__ = (
        _one_of("unit", Unit),
        _one_of("allocation", Allocation),
        _one_of("metric", Metric),
    )
    key: Mapped[str] = mapped_column(unique=True)
    campaign_id: Mapped[int | None] = _ref("campaign")
    unit: Mapped[str]  # Unit
    allocation: Mapped[str]  # Allocation
    metric: Mapped[str]  # Metric
    plan: Mapped[dict[str, Any]]  # what has no column, with a format version
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")
    archived_at: Mapped[datetime | None]


class Variant(Base):
    """An arm of an experiment."""

    __table_args__ = (UniqueConstraint("experiment_id", "key"),)
    experiment_id: Mapped[int] = _ref("experiment")
    key: Mapped[str]
    is_control: Mapped[bool]
    share: Mapped[float]
    ad_id: Mapped[int | None] = _ref("ad")
    creative_id: Mapped[int | None] = _ref("creative")


class ExperimentResult(Base):
    """One analysis of an experiment, or one decision about it. The number of looks is the number of analyses."""

    __table_args__ = (UniqueConstraint("experiment_id", "kind", "sequence"),)
    experiment_id: Mapped[int] = _ref("experiment")
    kind: Mapped[str]  # analysis, decision
    sequence: Mapped[int]
    as_of: Mapped[date]
    verdict: Mapped[str]
    result: Mapped[dict[str, Any]]  # with a format version
    decided_by: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(Told, default="")
    created_at: Mapped[datetime]
    run_id: Mapped[int] = _ref("run")


# --- who may do what ------------------------------------------------------------------------------------------


class Person(Base):
    """Somebody who may open the page for the team."""

    __table_args__ = (_one_of("role", Role),)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]  # Role
    password: Mapped[str | None]  # argon2id; None where a proxy says who somebody is
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]  # the name stays: what was done under it does, too


class SignIn(Base):
    """A browser in which a person has signed in."""

    digest: Mapped[str] = mapped_column(unique=True)  # SHA-256 of the cookie
    person_id: Mapped[int] = _ref("person", index=True)
    signed_in_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class AccessToken(Base):
    """A key with which a program acts for a person."""

    digest: Mapped[str] = mapped_column(unique=True)  # SHA-256 of the token, which nobody keeps
    person_id: Mapped[int] = _ref("person", index=True)
    label: Mapped[str] = mapped_column(Told)
    scopes: Mapped[list[str]]  # Permission
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class Audit(Base):
    """Who changed something, what, and when. Append-only."""

    at: Mapped[datetime] = mapped_column(index=True)
    who: Mapped[str]
    act: Mapped[str]
    about: Mapped[str] = mapped_column(Told)
