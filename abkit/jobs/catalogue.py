"""The catalogue: every job that a schedule can name. Nothing else can be run by a schedule."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from abkit.config import in_words
from abkit.errors import UsageError
from abkit.jobs.tick import Catalogue, Job
from abkit.jobs.work.findings import Correlate, DriftCheck, correlate, drift_check, experiments
from abkit.jobs.work.folders import ImportKpis, ScoreFolder, import_kpis, score_folder
from abkit.jobs.work.upkeep import Heartbeat, deliver_alerts, heartbeat, prune

CATALOGUE: Catalogue = {
    job.name: job
    for job in (
        Job("score_folder", "score the new pictures of a watched folder", score_folder, ScoreFolder),
        Job("import_kpis", "import the KPI exports of a watched folder", import_kpis, ImportKpis),
        Job("correlate", "correlate scores with a KPI", correlate, Correlate),
        Job("drift_check", "check all drift layers and decide", drift_check, DriftCheck),
        Job("experiments", "analyse the running experiments", experiments),
        Job("deliver_alerts", "tell the channels what they are owed", deliver_alerts, quick=True),
        Job("prune", "remove old records that no figure points to", prune),
        Job("heartbeat", "call an address while all is well (dead-man's switch)", heartbeat, Heartbeat, quick=True),
    )
}


def check_job(name: str, arguments: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The arguments of a job as the store keeps them.

    Args:
        name: of the job.
        arguments: as the configuration or the command line has them.
        where: for messages: which schedule.

    Raises:
        UsageError: no such job, an argument it does not take, lacks, or cannot take.
    """
    job = CATALOGUE.get(name)
    if job is None:
        raise UsageError(f"{where}: there is no job {name!r}", hint=f"the jobs are {', '.join(CATALOGUE)}")
    try:
        checked = job.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        about = ".".join(str(part) for part in first["loc"])
        problem = "there is no such argument" if first["type"] == "extra_forbidden" else in_words(first["msg"])
        takes = ", ".join(job.arguments.model_fields) or "none"
        # Values are not shown: an address may have been written where a reference belongs.
        raise UsageError(
            f"{where}: job {name}: {about + ': ' if about else ''}{problem}", hint=f"its arguments are {takes}"
        ) from error
    return checked.model_dump(mode="json", exclude_defaults=True)
