"""A workspace from Python: every workflow of the command line as a method that returns the record it prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from abkit_model import devices

if TYPE_CHECKING:
    from abkit.config import Settings
    from abkit.money import Rates
    from abkit.store.database.engine import Store
    from abkit.vocabulary import Metric, ReviewAct, WinnerRule
    from abkit.workflows.correlate import CorrelationReport
    from abkit.workflows.creatives.fatigue import FatigueReport
    from abkit.workflows.creatives.tags import TagChange, TagList
    from abkit.workflows.drift.explain import DriftTrace
    from abkit.workflows.drift.results import DriftReport
    from abkit.workflows.experiments.looks.results import Analysis
    from abkit.workflows.kpis.import_kpis import ImportSummary
    from abkit.workflows.kpis.imports import ImportList, UndoReport
    from abkit.workflows.kpis.linking.report import LinkReport
    from abkit.workflows.kpis.preview import ImportPreview
    from abkit.workflows.learning.appeals.appeals import StoredAppeals
    from abkit.workflows.learning.retraining.trials import RetrainResult
    from abkit.workflows.learning.worth.worth import WorthReport
    from abkit.workflows.models.train import Progress as Stages
    from abkit.workflows.ratings.next_labels import NextLabels
    from abkit.workflows.reviews.reviews import Flow, GateResult, Reviewed, VariantReview
    from abkit.workflows.scoring.cluster.results import ClusterResult
    from abkit.workflows.scoring.results import ScoringResult, Shortlist
    from abkit.workflows.scoring.score import Progress
    from abkit.workflows.upkeep.backups import Backup
    from abkit.workflows.upkeep.retention import Archived, Vacuumed

Paths = str | Path | Sequence[str | Path]


class Workspace:
    """A folder with an abkit.toml, and the store that belongs to it.

    Use it as a context manager, or call `close()`:

        with ab.Workspace.open("shop") as shop:
            shop.score("ads/spring", campaign="spring")

    Attributes:
        settings: The configuration, read once.
    """

    def __init__(self, settings: Settings) -> None:
        """Take a configuration that was read; `Workspace.open` reads one."""
        self.settings = settings
        devices.prefer(settings.scoring.device)

    @classmethod
    def open(cls, path: str | Path | None = None, *, database_url: str | None = None) -> Self:
        """Open the workspace in a folder or above it.

        Args:
            path: The folder, or its abkit.toml; the current folder by default.
            database_url: The store, instead of the one that the configuration names.

        Raises:
            UsageError: There is no workspace there, or its configuration is not valid.
        """
        from abkit.config import CONFIG_NAME, find_config, load_settings
        from abkit.errors import UsageError

        config = None if path is None else Path(path).resolve()
        if config is not None and not config.is_file():
            config = find_config(config)
            if config is None and database_url is None:
                raise UsageError(
                    f"there is no workspace at {path} or above it (no {CONFIG_NAME})",
                    hint="create one: abkit.Workspace.create(path), or `abkit init`",
                )
        return cls(load_settings(config, database_url))

    @classmethod
    def create(cls, path: str | Path = ".", *, database_url: str | None = None) -> Self:
        """Create a workspace, as `abkit init` does, and open it; one that is there already is only opened.

        Raises:
            AbkitError: The folder or the store cannot be written.
        """
        from abkit.workflows.upkeep.workspace import make_workspace, named_folder

        made = make_workspace(named_folder(path), database_url=database_url)
        return cls.open(made.config, database_url=database_url)

    @cached_property
    def store(self) -> Store:
        """The store, opened on first use.

        Raises:
            StoreError: It is not there, or at another migration than this abkit needs.
        """
        from abkit.store.database.engine import Store
        from abkit.store.database.migrate import require_current

        store = Store(self.settings.store_url)
        try:
            require_current(store)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Give back the connections to the store; a later call of a method opens it again."""
        store: Store | None = self.__dict__.pop("store", None)
        if store is not None:
            store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workspace({str(self.settings.workspace)!r})"

    def score(
        self,
        paths: Paths,
        *,
        campaign: str = "default",
        model: str | None = None,
        brief: str | None = None,
        brief_encoder: str | None = None,
        progress: Progress | None = None,
    ) -> ScoringResult:
        """Score creatives, log the scores and rank the campaign's variants; known creatives are not scored again.

        Args:
            paths: Images, folders, or patterns such as "ads/*.png"; or addresses as text (`s3://bucket/ads/`).
            campaign: Key of the campaign that the creatives are candidates of.
            model: Name or digest of a version, instead of the active model.
            brief: What the creatives are meant to show; their fit to it is logged (OpenCLIP encoders).
            brief_encoder: The encoder that reads the brief where the scorer's cannot.
            progress: Called with (creatives done, creatives in all); while they are fetched, with these.

        Raises:
            UsageError: There are no images at these paths, or no such version.
            AbkitError: The model or the store cannot be used.
        """
        from abkit.workflows.learning.retraining.shadow import score_beside
        from abkit.workflows.scoring.image_files import fetched_images
        from abkit.workflows.scoring.score import score_paths

        fetching = progress or (lambda done, total: None)
        with fetched_images(_paths(paths), self.settings.scoring, progress=fetching) as found:
            result = score_paths(
                self.store,
                self.settings,
                found,
                campaign=campaign,
                model=model,
                brief=brief,
                brief_encoder=brief_encoder,
                progress=progress,
            )
            said = score_beside(
                self.store, self.settings, [file.creative_id for file in result.files if file.creative_id is not None]
            )
            return replace(result, note="; ".join(filter(None, (result.note, said))))

    def score_on_cluster(
        self,
        paths: Paths,
        *,
        campaign: str = "default",
        model: str | None = None,
        address: str | None = None,
        workers: int | None = None,
        to: str | Path | None = None,
        progress: Progress | None = None,
    ) -> ClusterResult:
        """Score more creatives than one machine should, on a cluster of Ray (extra `ray`).

        Args:
            paths: As for `score`; every machine of the cluster has to reach them.
            campaign: Key of the campaign that the creatives are candidates of.
            model: Name or digest of a version, instead of the active model.
            address: Of a running cluster, such as "auto"; None starts one of processes of this machine.
            workers: Processes that score; as many as the cluster has GPUs, or else CPUs, when None.
            to: A folder for Parquet files, instead of the store.
            progress: Called with (creatives settled, creatives listed so far).

        Raises:
            UsageError: There are no images at these paths, or no such version.
            AbkitError: Ray, the model, the store or the folder cannot be used.
        """
        from abkit.workflows.scoring.cluster.score import score_on_cluster

        return score_on_cluster(
            self.store,
            self.settings,
            _paths(paths),
            campaign=campaign,
            model=model,
            address=address,
            workers=workers,
            to=None if to is None else Path(to),
            progress=progress or (lambda done, total: None),
        )

    def shortlist(
        self,
        campaign: str = "default",
        *,
        keep: int | None = None,
        p_best: float = 0.9,
        min_probability: float = 0.9,
        model: str | None = None,
        by_idea: bool = False,
        record: bool = True,
    ) -> Shortlist:
        """Choose which creatives of a campaign to launch, from the logged scores.

        Args:
            campaign: Key of the campaign.
            keep: How many to keep; by default the fewest that hold the best one with probability `p_best`.
            p_best: That probability, in (0, 1).
            min_probability: P(A beats B) from which two creatives are not tied, in (0.5, 1).
            model: Name or digest of a version, instead of the active model.
            by_idea: Choose distinct ideas: the best size of each stands for it, and its other sizes go with it.
            record: Whether the run is recorded, so that it can be named later; else its number is 0.

        Raises:
            AbkitError: Nothing in this campaign has been scored.
        """
        from abkit.store.runs import RunRecord
        from abkit.workflows.scoring.shortlist import shortlist

        return shortlist(
            self.store,
            campaign=campaign,
            keep=keep,
            p_best=p_best,
            min_probability=min_probability,
            model=model,
            by_idea=by_idea,
            run=None if record else RunRecord(self.store, 0),
        )

    @overload
    def import_kpis(
        self,
        paths: Paths | None = ...,
        *,
        sql: str | None = ...,
        query: str | Path | None = ...,
        dry_run: Literal[False] = False,
        **options: Any,
    ) -> tuple[ImportSummary, ...]: ...

    @overload
    def import_kpis(
        self,
        paths: Paths | None = ...,
        *,
        sql: str | None = ...,
        query: str | Path | None = ...,
        dry_run: Literal[True],
        **options: Any,
    ) -> tuple[ImportPreview, ...]: ...

    def import_kpis(
        self,
        paths: Paths | None = None,
        *,
        sql: str | None = None,
        query: str | Path | None = None,
        dry_run: bool = False,
        **options: Any,
    ) -> tuple[ImportSummary, ...] | tuple[ImportPreview, ...]:
        """Import KPI exports: good rows land, bad rows are kept with the reason.

        Args:
            paths: The files, or addresses as text (`https://…`, `s3://…`).
            sql: URL of a database to ask instead, such as `postgresql://USER:PASSWORD@HOST/NAME`.
            query: What it is asked: one SELECT, or a file with one.
            dry_run: Change nothing, and return what an import would understand.
            options: How the files are read, as `abkit kpi import` takes it: `mapping`, `platform`, `account`, ….

        Raises:
            UsageError: There is no such option, or its value is not valid; files and a query; a query without `sql`.
        """
        from abkit.errors import UsageError
        from abkit.intake.kpis.files import fetched_exports, queried_export
        from abkit.workflows.kpis.import_kpis import import_files, options_of
        from abkit.workflows.kpis.preview import preview_files

        said = options_of(self.settings, **options)
        if (sql is None) != (query is None) or (paths is None) != (sql is not None):
            raise UsageError("name files, or a database and a query", hint="import_kpis(paths), or sql=… and query=…")
        asked = queried_export(sql, query, said) if sql and query else fetched_exports(_paths(paths or ()), said)
        with asked as found:
            if dry_run:
                return tuple(preview_files(self.store, found, said))
            return tuple(import_files(self.store, found, said))

    def imports(self) -> ImportList:
        """Return the imported KPI files, the latest first: what came in, when, and whether it still counts."""
        from abkit.workflows.kpis.imports import list_imports

        return list_imports(self.store)

    def undo_import(self, import_id: int) -> UndoReport:
        """Take an import of KPIs back out, with everything that hangs on it; figures that it replaced come back.

        Args:
            import_id: Number of the import, as `imports()` has it.

        Raises:
            UsageError: There is no such import, or it was taken back before.
            InvalidInput: An earlier release imported it, and did not keep what an undo needs.
        """
        from abkit.workflows.kpis.imports import undo_import

        return undo_import(self.store, import_id)

    def link(
        self,
        *,
        accept: float | None = None,
        patterns: Sequence[str] = (),
        images: Path | str | None = None,
        everything: bool = False,
    ) -> LinkReport:
        """Link ads to creatives by their names, and list the ads that have none: suggested, ambiguous, unlinked.

        Args:
            accept: Take the suggestions with at least this confidence, above 0 and up to 1.
            patterns: Link by the fields of names instead, such as `{brand}_{concept}_v{n}_{size}`.
            images: Folder of images that are named as the ads, to be recognized among the creatives; suggestions are
                those by image then.
            everything: List the links that are there, too.

        Raises:
            UsageError: No such confidence, pattern or folder, or two ways to link at once.
        """
        from abkit.errors import UsageError
        from abkit.workflows.kpis.linking.images import link_images
        from abkit.workflows.kpis.linking.link import link
        from abkit.workflows.kpis.linking.pattern import link_by_pattern

        if sum((bool(patterns), accept is not None or images is not None, everything)) > 1:
            hint = "say patterns, or images and accept, or everything"
            raise UsageError("these arguments do not go together", hint=hint)
        if patterns:
            return link_by_pattern(self.store, patterns)
        if images is not None:
            limit = round(self.settings.scoring.max_file_mb * 2**20)
            return link_images(self.store, Path(images), max_bytes=limit, accept=accept)
        return link(self.store, accept=accept, everything=everything)

    def correlate(
        self,
        metric: Metric | str = "ctr",
        *,
        as_of: date | None = None,
        campaign: str | None = None,
        segment: str | None = None,
        start: date | None = None,
        end: date | None = None,
        model: str | None = None,
        min_impressions: int | None = None,
        rates: str | Path | None = None,
        currency: str | None = None,
        margin_rate: float | None = None,
    ) -> CorrelationReport:
        """Correlate the logged scores with a KPI, over all creatives and within campaign, with intervals.

        Args:
            metric: "ctr", "cvr", "conversions_per_impression", "cpc", "cpa", "cpm", "revenue_per_impression",
                "revenue_per_conversion", "roas" or "margin" (revenue × margin rate − spend).
            as_of: The state of that day, UTC; today by default.
            campaign: Only this campaign.
            segment: Only this delivery, such as "placement=feed,country=DE".
            start: First day of delivery that counts.
            end: Last day of delivery that counts.
            model: Name or digest of a version; all versions that scored by default.
            min_impressions: Leave out creatives with fewer.
            rates: CSV of what other currencies are worth in `currency`; that of `[money]` by default.
            currency: Currency of amounts; that of `[money]`, or of the rows, by default.
            margin_rate: Share of the revenue that is left before advertising; that of `[money]` by default.

        Raises:
            UsageError: There is no such campaign, segment or version.
            AbkitError: Amounts are in several currencies and nothing says how to convert them, or there are none.
        """
        from abkit.workflows.correlate import correlate

        return correlate(
            self.store,
            self.settings,
            metric=metric,
            as_of=as_of or _today(),
            campaign=campaign,
            segment=segment,
            start=start,
            end=end,
            model=model,
            min_impressions=min_impressions,
            rates=self._rates(rates, currency),
            margin_rate=margin_rate,
        )

    def appeal(
        self,
        metric: Metric | str = "ctr",
        *,
        campaigns: Sequence[str] | None = None,
        segment: str = "",
        start: date | None = None,
        as_of: date | None = None,
        rates: str | Path | None = None,
        currency: str | None = None,
    ) -> StoredAppeals:
        """Find the appeal of creatives and keep it: what each got over what was expected where it was shown.

        Args:
            metric: As for `correlate`; "margin" has no logarithm and is refused.
            campaigns: Keys of the only campaigns; all by default.
            segment: Only this delivery, such as "placement=feed".
            start: First day of delivery that counts.
            as_of: The last one; today by default, UTC.
            rates: CSV of what other currencies are worth in `currency`; that of `[money]` by default.
            currency: Currency of amounts; that of `[money]`, or of the rows, by default.

        Raises:
            UsageError: There is no such KPI, campaign or segment.
            AbkitError: Amounts are in several currencies and nothing says how to convert them.
        """
        from abkit.workflows.learning.appeals.appeals import record_appeals

        return record_appeals(
            self.store,
            self.settings,
            metric=metric,
            campaigns=campaigns,
            segment=segment,
            first=start,
            as_of=as_of or _today(),
            rates=self._rates(rates, currency),
        )

    def fatigue(
        self,
        *,
        campaigns: Sequence[str] | None = None,
        as_of: date | None = None,
        rates: str | Path | None = None,
        currency: str | None = None,
    ) -> FatigueReport:
        """Say which running creatives are fresh, steady or tired, when each wears out, and what the tired ones cost.

        Args:
            campaigns: Keys of the only campaigns; all by default.
            as_of: The last day of delivery that counts; today by default, UTC.
            rates: CSV of what other currencies are worth in `currency`; that of `[money]` by default.
            currency: Currency of amounts; that of `[money]`, or of the rows, by default.

        Raises:
            UsageError: There is no such campaign.
        """
        from abkit.store.catalog.creatives import find_campaign
        from abkit.workflows.creatives.fatigue import find_fatigue

        with self.store.read() as session:
            ids = None if campaigns is None else [find_campaign(session, key) for key in campaigns]
            return find_fatigue(session, as_of or _today(), campaigns=ids, rates=self._rates(rates, currency))

    def worth(
        self,
        metric: Metric | str = "ctr",
        *,
        k: int = 3,
        campaigns: Sequence[str] | None = None,
        rule: WinnerRule | str = "shrunk",
        cost_per_variant: float | None = None,
        hours_per_variant: float | None = None,
        variants_per_month: float | None = None,
        value_per_event: float | None = None,
        start: date | None = None,
        as_of: date | None = None,
        model: str | None = None,
        rates: str | Path | None = None,
        currency: str | None = None,
    ) -> WorthReport:
        """Say what listening to the scores is worth: winners kept, gain, money and hours, against chance and noise.

        Args:
            metric: The KPI that says who wins, as for `correlate`; not the margin.
            k: How many variants of each campaign would be launched.
            campaigns: Keys of the only campaigns to look at.
            rule: Who wins: "shrunk" (the highest shrunk appeal), "ratio" or "events".
            cost_per_variant: What making one more variant and testing it costs, media included.
            hours_per_variant: Hours of work that a variant takes.
            variants_per_month: New variants a month; as many as were launched in the last 90 days by default.
            value_per_event: What a click (or conversion) is worth; its revenue, else its cost, by default.
            start: First day of delivery that counts.
            as_of: The state of that day, UTC; today by default.
            model: Name or digest of the version that is judged.
            rates: CSV of what other currencies are worth in `currency`; that of `[money]` by default.
            currency: Currency of amounts; that of `[money]`, or of the rows, by default.

        Raises:
            UsageError: There is no such campaign, version or KPI, or k is below 1.
            InvalidInput: A cost or a value is not valid.
        """
        from abkit.stats.listening.savings import VariantCosts
        from abkit.workflows.learning.worth.event_value import GivenEventValue
        from abkit.workflows.learning.worth.worth import worth

        return worth(
            self.store,
            self.settings,
            metric=metric,
            k=k,
            campaigns=campaigns,
            rule=rule,
            costs=VariantCosts(money=cost_per_variant, hours=hours_per_variant),
            given=GivenEventValue(value=value_per_event, currency=currency or ""),
            variants_per_month=variants_per_month,
            first=start,
            as_of=as_of or _today(),
            model=model,
            rates=self._rates(rates, currency),
        )

    def check_drift(
        self,
        *,
        reference: str | None = None,
        current: str | None = None,
        as_of: date | None = None,
        model: str | None = None,
        metric: Metric | str | None = None,
        rates: str | Path | None = None,
        currency: str | None = None,
    ) -> DriftReport:
        """Compare two windows in every layer, decide, log the decision, and open or resolve the alert.

        Args:
            reference: "model", "creatives", "creatives:N", "campaign:KEY" or "days:N" (the N days before the current
                window); that of `[drift]` by default.
            current: "creatives", "creatives:N", "campaign:KEY" or "days:N" (up to and including `as_of`); that of
                `[drift]` by default.
            as_of: The last day that counts, UTC; today by default.
            model: Name or digest of a version; the active model by default.
            metric: The KPI of the layers relation and KPI, as for `correlate`; that of `[drift]` by default. "margin"
                has no ratio and is refused.
            rates: CSV of what other currencies are worth in `currency`; that of `[money]` by default.
            currency: Currency of amounts; that of `[money]`, or of the rows, by default.

        Raises:
            UsageError: A window, campaign or version does not exist, or both windows are the same.
        """
        from abkit.workflows.drift.check import check_drift

        now = datetime.now(UTC)
        day = as_of or now.date()
        return check_drift(
            self.store,
            self.settings,
            reference=reference,
            current=current,
            as_of=day,
            model=model,
            metric=metric,
            rates=self._rates(rates, currency),
            now=None if day < now.date() else now,
        )

    def explain_drift(self, check: str | int | None = None, *, test: str | None = None) -> DriftTrace:
        """Trace the figures of a drift check to the creatives and KPI rows that they were made from.

        Args:
            check: Its run, as in `DriftReport.run_id`, or "decision:N"; the last standing check by default.
            test: Name of the only figure, such as "ks"; all by default.

        Raises:
            UsageError: There is no such check, or it has no such figure.
        """
        from abkit.workflows.drift.explain import explain_check

        with self.store.read() as session:
            return explain_check(session, self.settings.drift, check, test=test)

    def drift_page(self, out: str | Path | None = None, *, check: str | int | None = None) -> Path:
        """Write a drift check as one HTML file: the decision, what to do, and why, with charts and images.

        Args:
            out: The file; drift-RUN.html in the workspace by default.
            check: Its run, as in `DriftReport.run_id`, or "decision:N"; the last standing check by default.

        Raises:
            UsageError: There is no such check.
            AbkitError: The file cannot be written.
        """
        from abkit.reporting.page.drift import make_drift_page

        return make_drift_page(self.store, self.settings, Path(out) if out is not None else None, check=check)

    def retrain(
        self,
        *,
        as_of: date | None = None,
        metric: Metric | str | None = None,
        segment: str = "",
        shadow: bool = False,
        judge: bool = False,
        seed: int = 0,
        progress: Stages | None = None,
    ) -> RetrainResult:
        """Train a challenger on what was known, judge it on launches that neither saw, and promote it if it is better.

        Args:
            as_of: The last day of delivery that counts, UTC; today by default.
            metric: The KPI that is learned and judged; that of `[retrain]` by default.
            segment: Learn and judge by this delivery only, such as "placement=feed".
            shadow: Train a challenger and hold it beside the champion; judge it later.
            judge: Judge the challenger that is held; train nothing.
            seed: Seed of everything random.
            progress: Called with the stage, how much of it is done, and how much there is.

        Raises:
            UsageError: No such metric or segment, or no challenger is held.
            AbkitError: The champion cannot be used, or amounts are in several currencies.
        """
        from abkit.workflows.learning.retraining.retrain import retrain

        return retrain(
            self.store,
            self.settings,
            as_of=as_of or _today(),
            metric=metric,
            segment=segment,
            shadow=shadow,
            judge_shadow=judge,
            seed=seed,
            progress=progress,
        )

    def tag(self, creatives: Sequence[str], tags: Sequence[str]) -> TagChange:
        """Put tags on creatives, to find them by; one that a creative has already stays as it is.

        Args:
            creatives: Names, paths or sha256.
            tags: The tags.

        Raises:
            UsageError: A tag is not valid, a name is not that of one creative, or a creative would have too many tags.
            InvalidInput: No creative or tag, or too many at once.
        """
        from abkit.workflows.creatives.tags import tag_creatives

        return tag_creatives(self.store, creatives, tags)

    def untag(self, creatives: Sequence[str], tags: Sequence[str]) -> TagChange:
        """Take tags off creatives; one that a creative does not have changes nothing.

        Args:
            creatives: Names, paths or sha256.
            tags: The tags.

        Raises:
            UsageError: A tag is not valid, or a name is not that of one creative.
            InvalidInput: No creative or tag, or too many at once.
        """
        from abkit.workflows.creatives.tags import untag_creatives

        return untag_creatives(self.store, creatives, tags)

    def tags(self, *, campaign: str | None = None) -> TagList:
        """Return the tags, the most frequent first, each with the number of its creatives.

        Raises:
            UsageError: There is no such campaign.
        """
        from abkit.workflows.creatives.tags import list_tags

        return list_tags(self.store, campaign=campaign)

    def review_next(self, *, campaign: str | None = None, count: int = 20, images: bool = False) -> NextLabels:
        """Rank what to label next: the questions whose answers tell most about how creatives rank.

        Args:
            campaign: Only creatives of this campaign; by default of all, each compared inside its own.
            count: How many questions.
            images: Ask about single images, to be rated, instead of pairs.

        Raises:
            UsageError: No such campaign, or not a valid number.
            AbkitError: Nothing was scored, no image is where it was, or nothing is left to ask.
        """
        from abkit.workflows.ratings.next_labels import next_labels

        return next_labels(self.store, campaign=campaign, count=count, images=images, day=_today())

    def review(
        self,
        campaign: str,
        creatives: Sequence[str],
        act: ReviewAct | str,
        *,
        by: str,
        reason: str = "",
    ) -> Reviewed:
        """Propose, approve or reject variants of a campaign, ask for changes, or comment, by name and with a reason.

        Args:
            campaign: Key of the campaign.
            creatives: Names, paths or sha256 of its variants.
            act: "propose", "approve", "reject", "want_changes" or "comment".
            by: Who does it.
            reason: Why; needed to reject, to want changes, and as the text of a comment.

        Raises:
            UsageError: There is no such campaign or variant.
            InvalidInput: No such act, or its reason is missing.
        """
        from abkit.vocabulary import ReviewAct, parse_choice
        from abkit.workflows.reviews.reviews import review

        return review(self.store, campaign, creatives, parse_choice(ReviewAct, act, name="act"), by=by, reason=reason)

    def review_of(self, campaign: str, creative: str) -> VariantReview:
        """Return how far a variant of a campaign has come, with its history.

        Args:
            campaign: Key of the campaign.
            creative: Name, path or sha256 of the variant.

        Raises:
            UsageError: There is no such campaign or variant.
        """
        from abkit.workflows.reviews.reviews import variant_review

        return variant_review(self.store, campaign, creative)

    def review_flow(self, campaign: str) -> Flow:
        """Return what was agreed about the reviews of a campaign.

        Raises:
            UsageError: There is no such campaign.
        """
        from abkit.workflows.reviews.reviews import flow

        return flow(self.store, campaign)

    def agree_review_flow(
        self, campaign: str, *, by: str, approvals: int = 1, gate: bool = False, note: str = ""
    ) -> Flow:
        """Write down what was agreed about the reviews of a campaign.

        Args:
            campaign: Key of the campaign.
            by: Who writes it down.
            approvals: How many people have to approve a variant, 1 to 5.
            gate: Whether `review_gate` and `abkit shortlist --gate` ask for approval.
            note: What was agreed, in words.

        Raises:
            UsageError: There is no such campaign, or not a valid number.
        """
        from abkit.workflows.reviews.reviews import agree

        return agree(self.store, campaign, by=by, approvals=approvals, gate=gate, note=note)

    def review_gate(self, shortlist: Shortlist) -> GateResult:
        """Return whether all creatives that a shortlist keeps are approved, where the campaign asks for it.

        Args:
            shortlist: What `shortlist` has returned.
        """
        from abkit.workflows.reviews.reviews import gate

        kept = {one.sha256: one.creative for one in shortlist.creatives if one.kept}
        return gate(self.store, shortlist.campaign, kept)

    def experiment(
        self,
        key: str,
        *,
        as_of: date | None = None,
        by: str | None = None,
        rows: str | Path | None = None,
        unit: str | None = None,
        variant: str | None = None,
        metric: str | None = None,
        denominator: str | None = None,
        rates: str | Path | None = None,
        currency: str | None = None,
        value_per_click: float | None = None,
        value_per_conversion: float | None = None,
    ) -> Analysis:
        """Analyze an experiment from the stored KPIs, or from the rows of its users, and log the analysis.

        Args:
            key: Name of the experiment, as `abkit experiment create` was told.
            as_of: The last day that counts, UTC; today by default.
            by: Compare within each value of a dimension too: country, placement, …
            rows: File with the rows of the users or sessions that were randomized.
            unit, variant, metric, denominator: Columns of that file: who, in which variant, and the two sums of the
                metric.
            rates: CSV of what other currencies are worth in `currency`; that of `[money]` by default.
            currency: Currency of amounts; that of `[money]`, or of the rows, by default.
            value_per_click, value_per_conversion: What a success is worth; by default what the rows say.

        Raises:
            AbkitError: There is no such experiment, it cannot be analyzed as of this day, or its amounts are in several
                currencies and nothing says how to convert them.
            UsageError: Rows are given without their columns, or columns without rows.
        """
        from abkit.workflows.experiments.experiments import analyze_experiment
        from abkit.workflows.experiments.looks.worth import GivenValue
        from abkit.workflows.experiments.rows.planned import rows_of

        worth = GivenValue(per_conversion=value_per_conversion, per_click=value_per_click, currency=currency or "")
        return analyze_experiment(
            self.store,
            key,
            as_of=as_of or _today(),
            by=by,
            rates=self._rates(rates, currency),
            rows=rows_of(rows, unit=unit, variant=variant, metric=metric, denominator=denominator),
            given=worth,
        )

    def report(
        self,
        out: str | Path | None = None,
        *,
        campaign: str | Sequence[str] | None = None,
        as_of: date | None = None,
        poc: bool = False,
        question: str | None = None,
    ) -> Path:
        """Write the report: one HTML file with what to launch and drop, experiments, and whether to trust the score.

        Args:
            out: The file; report.html (of the proof of concept: poc.html) in the workspace by default.
            campaign: Show only this campaign, or these.
            as_of: The last day of delivery that counts, UTC; today by default.
            poc: Write the page of the proof of concept instead: the question, what was found, what it is worth.
            question: The question that it answers; that of `[poc]` by default.

        Raises:
            UsageError: There is no such campaign; or a question without `poc`.
            AbkitError: The file cannot be written.
        """
        from abkit.errors import UsageError
        from abkit.reporting.page.gather import make_report
        from abkit.reporting.page.poc import make_poc

        if question is not None and not poc:
            raise UsageError("a question is for the page of a proof of concept", hint="report(poc=True, question=…)")
        path = Path(out) if out is not None else self.settings.workspace / ("poc.html" if poc else "report.html")
        if poc:
            return make_poc(
                self.store, self.settings, path, campaign=campaign, as_of=as_of or _today(), question=question,
                rates=self._rates(),
            )  # fmt: skip
        return make_report(
            self.store, path, campaign=campaign, as_of=as_of, rates=self._rates(), settings=self.settings
        )

    def back_up(self, file: str | Path | None = None) -> Backup:
        """Copy the store into one file, while others go on writing to it; `abkit db restore` puts it back.

        Args:
            file: A new file; by default one named after the time in the folder `backups` of the workspace.

        Raises:
            UsageError: The file is there already; or the store is on PostgreSQL, and the hint names its own tool.
            AbkitError: The store is damaged, or the file cannot be written.
        """
        from abkit.workflows.upkeep.backups import back_up

        return back_up(self.store, self.settings, Path(file) if file else None, now=datetime.now(UTC))

    def archive(
        self, before: date | None = None, folder: str | Path | None = None, *, dry_run: bool = False
    ) -> Archived:
        """Move KPI rows of days that are long over into Parquet files; `import_kpis(folder)` brings them back.

        Args:
            before: The first day that stays; by default as `keep_days` under `[kpi]` says.
            folder: A new folder; by default one in the folder `archive` of the workspace.
            dry_run: Say what would leave, and change nothing.

        Raises:
            UsageError: No day is known; an experiment that is not decided needs days before it; the folder is there.
            AbkitError: The files cannot be written or verified; nothing was deleted.
        """
        from abkit.workflows.upkeep.retention import archive

        where = Path(folder) if folder else None
        return archive(self.store, self.settings, before=before, folder=where, dry_run=dry_run)

    def vacuum(self) -> Vacuumed:
        """Give back the space of rows that are gone.

        Raises:
            StoreError: The disk has no room for it.
        """
        from abkit.workflows.upkeep.retention import vacuum

        return vacuum(self.store)

    def _rates(self, path: str | Path | None = None, currency: str | None = None) -> Rates | None:
        from abkit.intake.tables.rates import rates_of

        return rates_of(self.settings, Path(path) if path else None, currency)


def _paths(paths: Paths) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


def _today() -> date:
    return datetime.now(UTC).date()
