"""Every enumeration, once: the command line, the statistics and the store's checks use the same words."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeVar

from abkit.errors import InvalidInput

Choice = TypeVar("Choice", bound=StrEnum)

#: Days after their end on which a platform still credits conversions to the figures of a day.
PROVISIONAL_DAYS = 3


class Alternative(StrEnum):
    """Which difference between treatment and control counts."""

    TWO_SIDED = "two-sided"
    GREATER = "greater"
    LESS = "less"


# Python 3.11 takes a tenth of a microsecond to look a member up in its class; one comparison of means asks four times.
TWO_SIDED: Final = Alternative.TWO_SIDED


class Method(StrEnum):
    """How two arms are compared."""

    AUTO = "auto"
    NEWCOMBE = "newcombe"
    Z = "z"
    SCORE = "score"
    EXACT = "exact"
    SEQUENTIAL = "sequential"
    BAYES = "bayes"
    WELCH = "welch"


class LiftMethod(StrEnum):
    """How the interval of the lift between two means is made."""

    FIELLER = "fieller"
    LOG_DELTA = "log-delta"
    DELTA = "delta"
    PLUG_IN = "plug-in"


class Correction(StrEnum):
    """How p-values are adjusted for their number."""

    HOLM = "holm"
    HOCHBERG = "hochberg"
    BH = "bh"
    BY = "by"
    NONE = "none"


class Direction(StrEnum):
    """Which way of a metric is good."""

    HIGHER = "higher-is-better"
    LOWER = "lower-is-better"


class Monitoring(StrEnum):
    """How often a test is looked at."""

    FIXED = "fixed"
    ANYTIME = "anytime"
    GROUP = "group"


class Spending(StrEnum):
    """How planned looks spend the error."""

    OBRIEN_FLEMING = "obrien-fleming"
    POCOCK = "pocock"


class Metric(StrEnum):
    """Which KPI is analyzed; `abkit.metrics` says what is divided by what."""

    CTR = "ctr"
    CVR = "cvr"
    CONVERSIONS_PER_IMPRESSION = "conversions_per_impression"
    CPC = "cpc"
    CPA = "cpa"
    CPM = "cpm"
    REVENUE_PER_IMPRESSION = "revenue_per_impression"
    REVENUE_PER_CONVERSION = "revenue_per_conversion"
    ROAS = "roas"
    MARGIN = "margin"


class Unit(StrEnum):
    """What an experiment randomizes."""

    USER = "user"
    SESSION = "session"
    IMPRESSION = "impression"
    GEOGRAPHY = "geography"
    DAY = "day"

    @property
    def plural(self) -> str:
        """The word for several of them."""
        return "geographies" if self is Unit.GEOGRAPHY else f"{self.value}s"


class AnalysisUnit(StrEnum):
    """What an analysis takes as independent: what was randomized, where the data have it."""

    IMPRESSIONS = "impressions"
    USERS = "users"
    SESSIONS = "sessions"
    GEOGRAPHIES = "geographies"
    DAYS = "days"
    BLOCKS = "blocks"
    TOTALS = "totals"


class Allocation(StrEnum):
    """Who decides who sees which variant."""

    RANDOM = "random"
    OPTIMIZED = "optimized"


class GuardStatus(StrEnum):
    """What a guard of an experiment says."""

    PASS = "pass"  # noqa: S105 (no password)
    BLOCK = "block"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    """What the analysis of an experiment concludes."""

    BLOCKED = "blocked"
    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    FUTILE = "futile"


class Recommendation(StrEnum):
    """What an analysis recommends to do with a treatment."""

    SHIP = "ship"
    KEEP = "keep"
    HOLD = "hold"
    RUN_ON = "run-on"


class ExperimentDecision(StrEnum):
    """What a person decides about an experiment."""

    SHIP = "ship"
    KEEP = "keep"
    STOP = "stop-for-futility"
    UNDECIDED = "undecided"


class Dimension(StrEnum):
    """The dimensions that cut delivery into segments; the order is that of the segment's key."""

    PLATFORM = "platform"
    PLACEMENT = "placement"
    COUNTRY = "country"
    DEVICE = "device"
    AGE = "age"
    GENDER = "gender"
    OTHER = "other"
    REGION = "region"


PLACES = ("campaign", "ad_set")
"""Where an ad ran: a segment has them beside its dimensions, where one ad can be in several."""


class SetAsideReason(StrEnum):
    """Why a stored row does not count: other rows hold the same delivery."""

    PERIOD = "period"
    BREAKDOWN = "breakdown"
    EVENT = "event"
    SAME_AD = "same_ad"


class Layer(StrEnum):
    """The layers of a drift check."""

    DATA = "data"
    INPUT = "input"
    SCORE = "score"
    RELATION = "relation"
    KPI = "kpi"


class DriftVerdict(StrEnum):
    """What one test of a drift check says."""

    OK = "ok"
    WATCH = "watch"
    MAJOR = "major"
    FAULT = "fault"
    INSUFFICIENT_DATA = "insufficient_data"


class DriftDecision(StrEnum):
    """What a whole drift check decides."""

    STABLE = "stable"
    WATCH = "watch"
    RETRAIN = "retrain"
    FIX_DATA = "fix_data"
    INSUFFICIENT_DATA = "insufficient_data"


class Fatigue(StrEnum):
    """What age has done to a creative."""

    FRESH = "fresh"
    STEADY = "steady"
    TIRED = "tired"
    INSUFFICIENT_DATA = "insufficient_data"


class TrialDecision(StrEnum):
    """What became of a challenger: it was promoted, refused, is held beside the champion, or could not be judged."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    CANDIDATE = "candidate"
    NOT_ENOUGH = "not_enough"


class CorrelationStatistic(StrEnum):
    """Which coefficient a correlation reports."""

    SRCC = "srcc"
    PLCC = "plcc"


class CorrelationScope(StrEnum):
    """Which creatives a correlation compares with each other."""

    ALL = "all"
    WITHIN_CAMPAIGN = "within_campaign"


class Tells(StrEnum):
    """Why a label is asked for: what its answer is expected to tell.

    Of `unknown` images nothing like them was labeled; between `close` ones little is left to tell but which is better;
    `unfamiliar` ones are those that a drift check found to be unlike the former; a `repeat` shows how consistent
    people are, and a `shared` question, which somebody else answered, how far they agree.
    """

    UNKNOWN = "unknown"
    CLOSE = "close"
    UNFAMILIAR = "unfamiliar"
    REPEAT = "repeat"
    SHARED = "shared"


class WinnerRule(StrEnum):
    """Which creative of a campaign counts as its winner."""

    SHRUNK = "shrunk"
    RATIO = "ratio"
    EVENTS = "events"


class AppealSource(StrEnum):
    """Who chose which creative was shown to whom: chance in an experiment, or the platform and the advertiser."""

    RANDOMIZED = "randomized"
    OBSERVATIONAL = "observational"


class ListeningVerdict(StrEnum):
    """Whether listening to a score is shown to be worth something."""

    SHOWN = "shown"
    NOT_SHOWN = "not_shown"
    HARMFUL = "harmful"
    NOT_ENOUGH = "not_enough_data"


class CreativeAction(StrEnum):
    """What the report advises to do with a creative."""

    LAUNCH = "launch"
    MORE = "give_more"
    WAIT = "wait"
    DROP = "drop"
    HOLD = "hold_back"
    UNTESTED = "untested"
    ENDED = "ended"


class Severity(StrEnum):
    """How urgent an alert is."""

    WARNING = "warning"
    CRITICAL = "critical"


class MissedTicks(StrEnum):
    """What a schedule does with ticks that could not start in time."""

    RUN_LAST = "run_last"
    RUN_ALL = "run_all"
    SKIP = "skip"


class RunState(StrEnum):
    """How far a run has come, or how it ended."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    ABANDONED = "abandoned"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"


class RejectKind(StrEnum):
    """Why a row of a KPI file is not in the store: it was refused, or is no fault (a total, a row of nothing)."""

    REJECTED = "rejected"
    SET_ASIDE = "set_aside"


class Engine(StrEnum):
    """Where images are scored."""

    LOCAL = "local"
    RAY = "ray"


class Device(StrEnum):
    """Where encoders compute: `auto` is a GPU with CUDA where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class FileState(StrEnum):
    """How far an image file has come on its way into the store."""

    FOUND = "found"
    HASHED = "hashed"
    KNOWN = "known"
    SCORED = "scored"
    REJECTED = "rejected"
    SKIPPED = "skipped"


class LinkedBy(StrEnum):
    """How an ad was linked to a creative: by names and hashes alone, or by a person who said so."""

    NAME = "name"
    SHA256 = "sha256"
    NORMALIZED = "normalized"
    PATTERN = "pattern"
    SIMILAR = "similar"
    HASH = "hash"
    TABLE = "table"
    HAND = "hand"


#: Links that are remade by themselves; all others stay until a person removes them.
AUTOMATIC_LINKS: Final = (LinkedBy.NAME, LinkedBy.SHA256, LinkedBy.NORMALIZED)
#: Links that a person makes many of at once, and can take back at once.
LINKS_IN_BULK: Final = (LinkedBy.HASH, LinkedBy.PATTERN, LinkedBy.SIMILAR, LinkedBy.TABLE)


class LinkStatus(StrEnum):
    """How far an ad is from having its creative."""

    LINKED = "linked"
    SUGGESTED = "suggested"
    AMBIGUOUS = "ambiguous"
    UNLINKED = "unlinked"


class ShortlistUnit(StrEnum):
    """What a shortlist chooses."""

    CREATIVE = "creative"
    IDEA = "idea"


class IdeaSource(StrEnum):
    """How a creative came to its idea: by its name, as a resized copy, by a person, or set apart by one."""

    NAME = "name"
    COPY = "copy"
    HAND = "hand"
    APART = "apart"


class WindowKind(StrEnum):
    """What a window of a drift check is made of: the model's own sample, creatives by number, a campaign, or days."""

    MODEL = "model"
    CREATIVES = "creatives"
    CAMPAIGN = "campaign"
    DAYS = "days"


class Window(StrEnum):
    """Which window of a drift check something belongs to; what belongs to neither is left out."""

    CURRENT = "current"
    REFERENCE = "reference"
    NEITHER = "neither"


class LogFormat(StrEnum):
    """How the daemon logs."""

    TEXT = "text"
    JSON = "json"


def parse_choice(kind: type[Choice], value: str, *, name: str) -> Choice:
    """Return the member of an enumeration that a text names.

    Args:
        kind: The enumeration.
        value: The text, or already a member.
        name: What the value is, for the message, such as "alternative".

    Raises:
        InvalidInput: No member has this value.

    >>> parse_choice(Correction, "bh", name="correction")
    <Correction.BH: 'bh'>
    """
    if isinstance(value, kind):
        return value
    try:
        return kind(value)
    except ValueError:
        expected = ", ".join(kind)
        raise InvalidInput(f"the {name} is {value!r}; expected one of {expected}") from None


class PreflightVerdict(StrEnum):
    """What a check before launch says; the order is that of their gravity."""

    PASS = "pass"  # noqa: S105 (no password)
    WARN = "warn"
    FAIL = "fail"


class PreflightCheck(StrEnum):
    """What is looked at before launch."""

    READABLE = "readable"
    BLANK = "blank"
    DUPLICATE = "duplicate"
    MARKS = "marks"
    FORMAT = "format"
    SIZE = "size"
    RATIO = "ratio"
    WEIGHT = "weight"
    ANIMATION = "animation"
    ZONES = "zones"
    TEXT = "text"


class Mark(StrEnum):
    """Whether a file carries a mark of its origin, or lacks the one that a near-copy of it has."""

    PRESENT = "present"
    ABSENT = "absent"
    LOST = "lost"


class Role(StrEnum):
    """What somebody may do on the page for the team; each role may what the one before it may."""

    VIEWER = "viewer"
    RATER = "rater"
    REVIEWER = "reviewer"
    ADMIN = "admin"


class ReviewState(StrEnum):
    """How far a variant of a campaign has come on its way to a launch."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_WANTED = "changes_wanted"


class ReviewAct(StrEnum):
    """What somebody does in a review."""

    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"
    WANT_CHANGES = "want_changes"
    COMMENT = "comment"


class Permission(StrEnum):
    """What a page, or a token, is for."""

    VIEW = "view"  # look at pages
    LABEL = "label"  # rate and compare creatives
    REVIEW = "review"  # approve, reject, comment, acknowledge alerts
    OPERATE = "operate"  # upload, import, link, train, promote, run jobs
    ADMINISTER = "administer"  # people and their tokens


class LeaderboardOrder(StrEnum):
    """What the creatives of a campaign are sorted by."""

    SCORE = "score"
    P_BEST = "p_best"
    CTR = "ctr"
    CVR = "cvr"
    CPA = "cpa"
    ROAS = "roas"
    SPEND = "spend"
    IMPRESSIONS = "impressions"
    LIFT = "lift"
    AGE = "age"
    FATIGUE = "fatigue"
    IDEA = "idea"
    FORMAT = "format"
    TAG = "tag"
    NAME = "name"


class CreativeFormat(StrEnum):
    """The shape of a creative."""

    PORTRAIT = "portrait"
    SQUARE = "square"
    LANDSCAPE = "landscape"
