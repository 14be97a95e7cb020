"""The configuration: one typed place for abkit.toml, the environment (ABKIT_…) and the flags, in rising order.

docs/configuration.md shows the descriptions."""

import os
import re
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from abkit.addresses import is_loopback
from abkit.errors import InvalidInput, UsageError
from abkit.redaction import redacted
from abkit.vocabulary import Device, DriftDecision, LogFormat, Metric, MissedTicks, Severity
from abkit_model.limits import MAX_TEXT_BYTES

CONFIG_NAME = "abkit.toml"


#: What numbers may be at most, by the last word of their names; larger ones overflow dates and clocks.
_MOST_OF = {
    "mb": 1_000_000,
    "days": 36_500,
    "weeks": 5_200,
    "hours": 87_600,
    "minutes": 5_256_000,
    "seconds": 31_536_000,
    "attempts": 1_000,
    "second": 1_000_000,
    "minute": 1_000_000,
}
_MOST = 1_000_000_000_000


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _numbers_have_limits(self) -> Self:
        for name in type(self).model_fields:
            value, most = getattr(self, name), _MOST_OF.get(name.rsplit("_", 1)[-1], _MOST)
            if isinstance(value, int | float) and not value <= most:  # nan is no number either
                raise ValueError(f"{name} must be at most {most:,}")
        return self


def _no_address(path: Path) -> Path:
    # A scheme has two letters or more: C:/ is a drive. Of "://" a Path keeps one slash.
    # hooks.example.com/… may be one without its scheme.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/|[\w-]+(\.[\w-]+)*\.(com|net|org|io|de|app|dev)(:\d+)?/", str(path)):
        raise ValueError("it must be the name of a file, not an address: an address is a secret")
    return path


def _not_stable(decision: DriftDecision) -> DriftDecision:
    if decision is DriftDecision.STABLE:
        raise ValueError("'stable' opens no alert")
    return decision


def _not_margin(metric: Metric) -> Metric:
    if metric is Metric.MARGIN:
        raise ValueError(
            "the margin may be zero or less, and has no logarithm: use roas, or revenue_per_impression and cpm"
        )
    return metric


def _budget(text: str) -> str:
    # Where it is read is the one place that knows how to read it.
    from abkit.stats.monitoring.budget import parse_budget

    try:
        parse_budget(text)
    except InvalidInput as error:
        raise ValueError(f"{error}: {error.hint}") from error
    return text


FalseAlarms = Annotated[str, AfterValidator(_budget)]
SecretFile = Annotated[Path, AfterValidator(_no_address)]
AlertDecision = Annotated[DriftDecision, AfterValidator(_not_stable)]
AppealMetric = Annotated[Metric, AfterValidator(_not_margin)]


class ScoringSettings(_Section):
    """`[scoring]`: how images are read and scored."""

    batch_size: int = Field(default=32, ge=1, le=1024, description="images per batch")
    max_file_mb: float = Field(default=100, gt=0, description="larger image files are rejected without being read")
    token_cache_mb: int = Field(
        default=2048,
        ge=0,
        description="size of the cache of encoder tokens, which other scorers reuse; 0 switches it off",
    )
    device: Device = Field(
        default=Device.AUTO,
        description="where encoders compute, for scores and for training: `auto` takes a GPU with CUDA where there is "
        "one ([performance.md](performance.md))",
    )
    brief_encoder: str = Field(
        default="",
        description="encoder for the text of `--brief` where that of the active model cannot read text "
        "([encoders.md](encoders.md))",
    )

    def for_batches_of(self, fewest: int) -> Self:
        """Return these settings for an encoder that looks at so many images at once, if it wants more than they say."""
        return self if fewest <= self.batch_size else self.model_copy(update={"batch_size": fewest})


class KpiSettings(_Section):
    """`[kpi]`: how large an export may be, how long rows are kept, and what columns and names are called."""

    max_file_mb: float = Field(default=2048, gt=0, description="larger files are refused without being read")
    max_rows: int = Field(default=20_000_000, ge=1, description="files with more rows are refused")
    time_zone: str = Field(
        default="",
        description="time zone of the accounts' days where an import does not say it (`--time-zone`), "
        "such as `Europe/Berlin`; unknown if empty",
    )
    analysis_rows: int = Field(
        default=3_000_000,
        ge=0,
        description="rows that `correlate` and `drift check` read at most: of more, those of campaigns drawn by "
        "chance, and they say so ([scale.md](scale.md#millions-of-rows)); 0: all of them",
    )
    keep_days: int = Field(
        default=0,
        ge=0,
        description="days that `abkit db archive` leaves in the store, before which it moves rows into files "
        "([scale.md](scale.md#days-that-are-long-over)); 0: all of them",
    )
    recipes: Path | None = Field(
        default=None,
        description="a file, or a folder of files, that says what further platforms call their columns "
        "([platforms.md](platforms.md)); relative to the workspace",
    )
    name_pattern: str = Field(
        default="",
        description="the fields that names have, such as `{brand}_{concept}_v{n}_{size}`, for `kpi link` without "
        "`--pattern` ([kpi-files.md](kpi-files.md#linking-ads-to-creatives)); none if empty",
    )


class MoneySettings(_Section):
    """`[money]`: the one currency of an analysis, and what others are worth in it."""

    currency: str = Field(
        default="",
        pattern=r"^([A-Z]{3})?$",
        description="currency of amounts, such as `EUR`; that of the rows if empty, and rows in several are refused",
    )
    rates: Path | None = Field(
        default=None,
        description="table (CSV, a spreadsheet or Parquet) with the columns `currency,rate` and, where rates change, "
        "`date`, their first day: what a unit of each is worth in `currency`; relative to the workspace",
    )
    margin_rate: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of the revenue that is left before advertising, for the metric `margin`",
    )


class ExperimentSettings(_Section):
    """`[experiments]`: when a verdict is told, and when a decision needs a second person."""

    min_days: int = Field(default=7, ge=1, description="days with delivery before an alert tells a verdict")
    full_week: bool = Field(
        default=True, description="whether these days must have each day of the week, since people differ by weekday"
    )
    second_name: bool = Field(
        default=False,
        description="whether `experiment decide` against the verdict needs the name of a second person (`--second`); "
        "it always needs a reason",
    )


class PocSettings(_Section):
    """`[poc]`: what a proof of concept was agreed to answer, for `abkit report --poc`."""

    question: str = Field(default="", max_length=500, description="the question, in the words that were agreed")
    agreed_on: date | None = Field(default=None, description="the day on which it was agreed")
    metric: AppealMetric = Field(default=Metric.CTR, description="the KPI that decides")
    keep: int = Field(default=3, ge=1, description="how many variants of a campaign would be launched by score")
    smallest_lift: float = Field(
        default=0.0, ge=0, lt=1, description="the lift from which on it is worth it; 0.02 is 2 %"
    )
    first_day: date | None = Field(
        default=None, description="the first day of delivery that counts; all that was imported if unset"
    )
    cost_per_variant: float | None = Field(
        default=None, ge=0, description="what making a variant and testing it costs, in the currency of the rows"
    )
    hours_per_variant: float | None = Field(default=None, ge=0, description="hours of work that a variant takes")


class CorrelateSettings(_Section):
    """`[correlate]`: which creatives have enough delivery to count."""

    min_impressions: int = Field(
        default=1000, ge=1, description="creatives with fewer are left out of metrics of impressions and of ROAS"
    )
    min_clicks: int = Field(default=30, ge=1, description="creatives with fewer clicks are left out of CVR and CPC")
    min_conversions: int = Field(
        default=5, ge=1, description="creatives with fewer conversions are left out of CPA and revenue per conversion"
    )
    min_creatives: int = Field(default=4, ge=4, description="with fewer creatives there is no estimate")


_WINDOW = r"creatives(:[1-9][0-9]{0,6})?|days:[1-9][0-9]{0,3}|campaign:.+"


class DriftSettings(_Section):
    """`[drift]`: effect-size floors and minimum samples. Only a shift that is both significant and large counts."""

    reference: str = Field(
        default="creatives",
        pattern=rf"^(model|{_WINDOW})$",
        description="reference of the standing check: creatives[:N], model, campaign:KEY or days:N",
    )
    current: str = Field(
        default="creatives",
        pattern=rf"^({_WINDOW})$",
        description="window of the standing check: creatives, creatives:N, campaign:KEY or days:N",
    )
    metric: AppealMetric = Field(default=Metric.CTR, description="KPI of the standing check's relation and level")
    false_alarms: FalseAlarms = Field(
        default="1 per year",
        description='how often the standing check may open an alert although nothing changed: "10 per year", '
        '"1 in 5 years"; all layers, tests and segments together',
    )
    alpha: float = Field(
        default=0.01, gt=0, lt=0.5, description="error rate of each layer in a comparison that is made once"
    )
    recent_creatives: int = Field(
        default=60, ge=4, description="creatives that the window `creatives` takes at most; an idea counts once"
    )
    recent_weeks: int = Field(
        default=4, ge=1, le=52, description="weeks of delivery that a window of creatives takes at most"
    )
    min_images: int = Field(default=20, ge=4, description="images per window needed to judge input and scores")
    max_images: int = Field(default=2000, ge=100, description="images per window that the input test uses at most")
    psi_bins: int = Field(default=10, ge=2, le=100, description="quantile bins of the reference")
    input_watch: float = Field(
        default=0.01, gt=0, description="energy coefficient of a shift to watch; about d²/4 for a shift of d sd"
    )
    input_major: float = Field(default=0.06, gt=0, description="energy coefficient of a major shift")
    ks_watch: float = Field(default=0.1, gt=0, description="largest gap of the cumulative distributions, to watch")
    ks_major: float = Field(default=0.2, gt=0, description="the same, major")
    psi_watch: float = Field(default=0.1, gt=0, description="population stability index (natural log), to watch")
    psi_major: float = Field(default=0.25, gt=0, description="the same, major")
    wasserstein_watch: float = Field(
        default=0.2, gt=0, description="Wasserstein distance in standard deviations of the reference, to watch"
    )
    wasserstein_major: float = Field(default=0.5, gt=0, description="the same, major")
    figure_floor: float = Field(
        default=0.3, gt=0, description="shift of a query or of a property of the images that is named, in sd"
    )
    classifier_floor: float = Field(
        default=0.7, gt=0.5, lt=1, description="how well new creatives can be told apart (AUC) before it is named"
    )
    mix_floor: float = Field(
        default=0.2, gt=0, lt=1, description="share that changed its category (format, color, placement) that is named"
    )
    reference_days: int = Field(default=90, ge=7, description="days of delivery before the current window to compare")
    min_creatives: int = Field(default=10, ge=4, description="creatives per window needed to judge relation and KPIs")
    min_clicks: int = Field(default=10, ge=1, description="expected clicks in a window for a creative to count there")
    relation_loss: float = Field(default=0.5, gt=0, description="loss of the slope, as a share of it, that is material")
    kpi_floor: float = Field(
        default=0.35, gt=0, description="change of log CTR at equal age that counts; 0.35 is −30 % or +42 %"
    )
    delay_days: int = Field(default=3, ge=0, description="how many days late the platforms' figures may come")
    volume_floor: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="daily impressions, as a share of the reference, below which data are broken",
    )
    fault_share: float = Field(
        default=0.2, gt=0, lt=1, description="share of faulty images, rows or days above which data are broken"
    )


class RetrainSettings(_Section):
    """`[retrain]`: what a challenger learns from, on how much it is judged, and when it takes over."""

    metric: AppealMetric = Field(default=Metric.CTR, description="KPI whose appeal is learned and judged")
    min_campaigns: int = Field(
        default=10, ge=10, description="campaigns with two launched creatives or more that a judgment needs"
    )
    min_creatives: int = Field(
        default=100, ge=100, description="launched creatives that a judgment needs; sizes of one idea count once"
    )
    min_expected: float = Field(
        default=10, gt=0, description="expected clicks (or what the KPI counts) from which a creative is judged"
    )
    mature_days: int = Field(default=7, ge=0, description="days since its launch before a creative is judged")
    margin: float = Field(
        default=0.0, ge=0, lt=1, description="gain in within-campaign correlation that the lower end has to exceed"
    )
    tolerance: float = Field(
        default=0.05, ge=0, le=2, description="loss in a segment of delivery, with an interval below 0, that refuses"
    )
    promote: bool = Field(
        default=True, description="whether a challenger that is better becomes the active model by itself"
    )
    folder: Path = Field(
        default=Path("models"), description="where challengers and their tables are written; inside the workspace"
    )


class ChannelSettings(_Section):
    """`[[alerts.channel]]`: where alerts go. The address is a secret: refer to it, never write it here."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$", description="name of the channel in lists and logs")
    url_env: str | None = Field(
        default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="environment variable with the Apprise URL"
    )
    url_file: SecretFile | None = Field(default=None, description="or a file with the Apprise URL")
    min_severity: Severity = Field(default=Severity.WARNING, description="less severe alerts are not sent")

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if (self.url_env is None) == (self.url_file is None):
            raise ValueError("a channel needs either url_env or url_file")
        return self

    def wants(self, rule: str) -> bool:
        """Whether the alerts of a rule are sent to it."""
        return True


class WebhookSettings(ChannelSettings):
    """`[[alerts.webhook]]`: a program that is told of decisions and verdicts, as signed JSON ([api.md](api.md))."""

    url_env: str | None = Field(
        default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="environment variable with its https address"
    )
    url_file: SecretFile | None = Field(default=None, description="or a file with its address")
    secret_env: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with the secret that requests are signed with",
    )
    rules: tuple[str, ...] = Field(
        default=("decision", "experiment_verdict", "experiment_guard", "experiment_end"),
        description="rules whose alerts it is told of",
    )

    def wants(self, rule: str) -> bool:
        """Whether it is told of the alerts of a rule."""
        return rule in self.rules


class AlertSettings(_Section):
    """`[alerts]`: when alerts are sent, and how often."""

    channel: tuple[ChannelSettings, ...] = Field(
        default=(), description="the channels; without any, alerts are only listed"
    )
    webhook: tuple[WebhookSettings, ...] = Field(default=(), description="programs that are told of decisions")
    repeat_hours: float = Field(default=24, gt=0, description="hours until an unacknowledged open alert is sent again")
    calm_hours: float = Field(default=36, ge=0, description="hours without the condition until an alert is resolved")
    job_calm_hours: float = Field(default=1, ge=0, description="the same for jobs that failed or were late")
    decisions: tuple[AlertDecision, ...] = Field(
        default=(DriftDecision.RETRAIN, DriftDecision.FIX_DATA, DriftDecision.WATCH),
        description="drift decisions that open an alert",
    )
    failures_until_critical: int = Field(
        default=3, ge=1, description="failures in a row that make the alert about a job critical"
    )
    reject_share: float = Field(
        default=0.05, ge=0, le=1, description="share of rejected rows of an import above which an alert opens"
    )
    attempt_seconds: float = Field(default=20, gt=0, le=60, description="seconds that a message may take in all")
    retry_minutes: float = Field(default=15, gt=0, description="longest wait between two attempts")
    give_up_hours: float = Field(default=72, gt=0, description="hours until an undelivered message is given up")

    @property
    def channels(self) -> tuple[ChannelSettings, ...]:
        """All that is told of alerts: channels and webhooks."""
        return (*self.channel, *self.webhook)


class DaemonSettings(_Section):
    """`[daemon]`: settings of `abkit schedule run`."""

    poll_seconds: float = Field(default=5, ge=0.05, le=300, description="seconds between polls of the schedules")
    workers: int = Field(default=2, ge=1, le=64, description="jobs at a time, each in a process of its own")
    lease_seconds: float = Field(
        default=60, ge=2, description="seconds until another daemon takes over a dead one's jobs"
    )
    stop_seconds: float = Field(default=30, ge=0, description="seconds that running jobs have to finish after SIGTERM")
    attempts: int = Field(default=5, ge=1, description="how often a run is attempted before it counts as failed")
    backoff_seconds: float = Field(default=30, gt=0, description="wait after a failure; doubled after each further one")
    backoff_limit_seconds: float = Field(default=3600, gt=0, description="longest wait after a failure")
    retries: int = Field(
        default=10, ge=0, le=1000, description="failures in a row after which a job waits for its next tick"
    )
    memory_limit_mb: int = Field(
        default=4096, ge=0, le=16_777_216, description="a job whose process takes more memory is ended; 0: no limit"
    )
    host: str = Field(default="127.0.0.1", description="where /healthz and /metrics listen")
    port: int = Field(default=8714, ge=0, le=65535, description="their port; 0 switches them off")
    log_format: LogFormat = Field(default=LogFormat.TEXT, description="format of the log on stderr")
    keep_days: int = Field(
        default=30, ge=1, description="days to keep records of deliveries and of jobs without figures"
    )


class ScheduleSettings(_Section):
    """`[[schedule]]`: a job that runs by itself."""

    key: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$", description="name of the schedule")
    job: str = Field(description="job to run; `abkit schedule add --help` lists them")
    cron: str = Field(description='when, in UTC: "minute hour day month weekday", or with seconds first')
    arguments: dict[str, Any] = Field(default_factory=dict, description="arguments of the job")
    jitter_seconds: int = Field(default=0, ge=0, le=86_400, description="most seconds to start later, to spread load")
    grace_seconds: int = Field(default=300, ge=0, description="a start later than this is late and opens an alert")
    time_limit_seconds: int = Field(default=3600, ge=1, description="a job that takes longer is ended")
    missed: MissedTicks = Field(default=MissedTicks.RUN_LAST, description="what to do with late ticks")


class ImportOptions(_Section):
    """Options of `abkit kpi import`; what is left out is found, or comes from `[kpi]`."""

    mapping: dict[str, str] = Field(default_factory=dict, description="field by column name")
    dayfirst: bool | None = Field(default=None, description="whether 01/02/2026 is the first of February")
    decimal: str | None = Field(default=None, description="decimal sign")
    platform: str = Field(default="", description="platform of rows that do not name one")
    account: str = Field(default="", description="account of rows that do not name one")
    encoding: str | None = Field(default=None, description="encoding of the text")
    header_line: int | None = Field(default=None, ge=1, description="line of the header")
    sheet: str | None = Field(default=None, description="sheet of a spreadsheet")
    time_zone: str | None = Field(default=None, description="time zone of the days; that of `[kpi]` if unset")

    def said(self) -> dict[str, Any]:
        """Return the options, without those of the class that is derived from this one."""
        return {name: getattr(self, name) for name in ImportOptions.model_fields}


class SourceSettings(ImportOptions):
    """`[[source]]`: a command or an address whose output is imported on a schedule."""

    key: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$", description="name of the source, and of its schedule")
    cron: str = Field(default="0 5 * * *", description='when, in UTC: "minute hour day month weekday"')
    command: tuple[str, ...] = Field(
        default=(),
        description="program and arguments; what it prints is the export. No shell; `{today}` and `{yesterday}` are "
        "days",
    )
    url: str = Field(default="", description="or the address of the export, http or https; the same two words")
    url_env: str = Field(
        default="",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="or the environment variable that holds the address",
    )
    headers_env: dict[str, str] = Field(
        default_factory=dict, description="by name of a request header, the environment variable that holds its value"
    )
    timeout_seconds: float = Field(default=600, gt=0, le=86_400, description="time that getting it may take")
    max_mb: float = Field(default=512, gt=0, description="larger exports are refused")

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        given = [name for name in ("command", "url", "url_env") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"source {self.key} needs one of command, url and url_env")
        if self.command and (not self.command[0].strip() or self.headers_env):
            raise ValueError(f"source {self.key}: the command is empty, or headers_env is given with a command")
        if self.url and not self.url.startswith(("https://", "http://")):
            raise ValueError(f"source {self.key}: the url must begin with https:// or http://")
        return self

    @property
    def max_bytes(self) -> float:
        """The limit of the export's size."""
        return self.max_mb * 1e6

    @property
    def schedule(self) -> ScheduleSettings:
        """The schedule that gets it: its job has an hour to import what came."""
        return ScheduleSettings(
            key=self.key,
            job="import_source",
            cron=self.cron,
            arguments={"source": self.key},
            time_limit_seconds=int(self.timeout_seconds) + 3600,
        )


class WebSettings(_Section):
    """`[web]`: the page for the team."""

    host: str = Field(default="127.0.0.1", description="where it listens; off this machine, people have to sign in")
    port: int = Field(default=8715, ge=0, le=65535, description="its port; 0 takes a free one")
    hosts: tuple[str, ...] = Field(
        default=(), description="names under which it is reached, such as `abkit.example.com`, besides its own"
    )
    prefix: str = Field(
        default="", pattern=r"^(/[A-Za-z0-9._~-]+)*$", description="path that a proxy puts before it, such as `/abkit`"
    )
    sign_in: bool = Field(default=False, description="whether people have to sign in on this machine, too")
    user_header: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]*$",
        description="header in which a proxy that signs people in (OIDC) says who they are; none if empty",
    )
    proxies: tuple[str, ...] = Field(default=("127.0.0.1", "::1"), description="addresses of proxies that may say so")
    session_hours: float = Field(default=12, gt=0, le=720, description="hours until an idle person signs in again")
    max_upload_mb: float = Field(default=200, gt=0, le=10240, description="larger requests are refused")
    requests_per_minute: int = Field(default=600, ge=1, description="requests that one person or address may make")

    def is_local(self, host: str) -> bool:
        """Return whether only this machine is served, so that nobody has to sign in.

        Args:
            host: Where it listens. Names, a proxy, or `sign_in` mean that others come all the same.
        """
        return is_loopback(host) and not (self.sign_in or self.hosts or self.user_header)

    @property
    def address(self) -> str:
        """Where others reach it, without a slash at the end, as far as the configuration tells."""
        if self.hosts:
            return f"https://{self.hosts[0]}{self.prefix}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.prefix}"


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix="ABKIT_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    workspace: Path = Field(default_factory=Path.cwd, description="folder of abkit.toml; abkit writes only below it")
    database_url: str = Field(
        default="",
        description="store: `sqlite:///PATH` or `postgresql://USER@HOST/NAME`; the file `abkit.db` of the workspace if "
        "empty. Better set in the environment, because it may contain a password",
    )
    scoring: ScoringSettings = ScoringSettings()
    kpi: KpiSettings = KpiSettings()
    money: MoneySettings = MoneySettings()
    experiments: ExperimentSettings = ExperimentSettings()
    poc: PocSettings = PocSettings()
    correlate: CorrelateSettings = CorrelateSettings()
    drift: DriftSettings = DriftSettings()
    retrain: RetrainSettings = RetrainSettings()
    alerts: AlertSettings = AlertSettings()
    daemon: DaemonSettings = DaemonSettings()
    web: WebSettings = WebSettings()
    schedule: tuple[ScheduleSettings, ...] = ()
    source: tuple[SourceSettings, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let flags win over the environment, and the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def on_device(self, device: Device) -> Self:
        """Return these settings with another device for encoders."""
        return self.model_copy(update={"scoring": self.scoring.model_copy(update={"device": device})})

    @property
    def store_url(self) -> str:
        """URL of the store: as configured, else the SQLite file of the workspace."""
        # A folder may be called "100%20ads" or "a?b", and in a URL these signs mean something else.
        return self.database_url or f"sqlite:///{quote(str(self.workspace / 'abkit.db'))}"

    @property
    def schedules(self) -> tuple[ScheduleSettings, ...]:
        """The schedules of the configuration: those of `[[schedule]]`, and one for each `[[source]]`."""
        return (*self.schedule, *(one.schedule for one in self.source))

    @property
    def kpi_recipes(self) -> Path | None:
        """The user's own file or folder of recipes for KPI exports."""
        return self.workspace / self.kpi.recipes if self.kpi.recipes else None

    @property
    def cache_folder(self) -> Path:
        """Folder of what can be computed again: encoder tokens."""
        return self.workspace / ".abkit" / "cache"


def in_words(problem: str) -> str:
    """Return the message of a pydantic error as the middle of a sentence.

    >>> in_words("Value error, it must be a folder"), in_words("Input should be greater than 0")
    ('it must be a folder', 'input should be greater than 0')
    """
    problem = problem.removeprefix("Value error, ")
    return problem[:1].lower() + problem[1:]


def find_config(start: Path) -> Path | None:
    """Return the nearest abkit.toml at or above a folder."""
    for folder in (start, *start.parents):
        candidate = folder / CONFIG_NAME
        if candidate.is_file():
            return candidate
    return None


def load_settings(config: Path | None = None, database_url: str | None = None) -> Settings:
    """Read the configuration of the workspace around the current folder, or of the file that is named.

    Raises:
        UsageError: There is no such file or workspace, it is not TOML, a key is unknown, or a value is out of range.
    """
    url = database_url or os.environ.get("ABKIT_DATABASE_URL")
    if config is None and (named := os.environ.get("ABKIT_CONFIG")):
        config = Path(named)
    try:
        path = config or find_config(Path.cwd())
        missing = path is not None and not path.is_file()
    except PermissionError as error:
        raise UsageError(
            f"{error.filename} may not be read: permission denied", hint="ask its owner, or use another workspace"
        ) from None
    if path is None and not url:
        raise UsageError(
            f"there is no workspace at {Path.cwd()} or above it (no {CONFIG_NAME})",
            hint="run `abkit init` in the folder of your project, or name a store with --database-url",
        )
    if missing:
        raise UsageError(f"there is no configuration file {path}", hint="check the path given with --config")
    flags: dict[str, Any] = {"workspace": path.resolve().parent if path else Path.cwd()}
    if database_url:
        flags["database_url"] = database_url
    return _read(path, flags)


def _read(path: Path | None, flags: dict[str, Any]) -> Settings:
    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        if path is not None and path.stat().st_size > MAX_TEXT_BYTES:
            raise UsageError(
                f"{path} is larger than {MAX_TEXT_BYTES // 2**20} MB", hint="check that it is the configuration"
            )
        return FromFile(**flags)
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply", hint="check that it is the configuration") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}", hint="correct that line") from None
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="it must be a readable UTF-8 text file") from None
    except SettingsError as error:
        # Its own text has no value, but the errors that led to it may.
        raise UsageError(f"the environment: {error}", hint="write lists and tables there as JSON") from None
    except ValidationError as error:
        first = error.errors()[0]
        parts = [str(part) for part in first["loc"]]
        key = redacted(".".join(parts))
        got = f" (got {redacted(repr(first.get('input')))})" if _may_be_told(parts, first.get("input")) else ""
        # Not `from error`: its text has the values, and a traceback would show it.
        raise UsageError(
            f"{path or 'the environment'}: {key}: {in_words(first['msg'])}{got}"
            if first["type"] != "extra_forbidden"
            else f"{path or 'the environment'}: there is no setting {key!r}",
            hint="docs/configuration.md lists every setting",
        ) from None


def _may_be_told(parts: Sequence[str], value: Any) -> bool:
    """Return whether a value may be repeated: channels, sources and URLs hold secrets, and so may a whole section."""
    secret = {"channel", "source", "arguments", "url", "url_env", "url_file", "database_url", "headers_env"}
    return secret.isdisjoint(parts) and not isinstance(value, dict | list) and len(repr(value)) <= 100
