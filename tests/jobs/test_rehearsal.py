"""What a daemon would need is checked before it starts: nothing runs, moves or is sent, and no secret is shown."""

import re
import socket
import tomllib
from pathlib import Path

import pytest

from abkit.config import AlertSettings, ChannelSettings, DaemonSettings, ScheduleSettings, Settings, SourceSettings
from abkit.errors import UsageError
from abkit.jobs.rehearsal import rehearse
from abkit.jobs.schedules import check_all

PAGE = Path(__file__).parents[2] / "docs" / "daemon.md"
DAILY = "0 5 * * *"


def _schedule(key: str, job: str, **arguments: object) -> ScheduleSettings:
    return ScheduleSettings(key=key, job=job, cron=DAILY, arguments=arguments)


def _problems(workspace: Path, **settings: object) -> dict[str, str]:
    given = {"daemon": DaemonSettings(port=0), **settings}
    checks = rehearse(Settings(workspace=workspace, **given))  # type: ignore[arg-type]
    assert all(one.ok == (one.problem == "") for one in checks)
    return {one.what: one.problem for one in checks}


def test_folders_and_mappings_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    found = _problems(
        tmp_path,
        schedule=(
            _schedule("images", "score_folder", folder="inbox"),
            _schedule("kpis", "import_kpis", folder="exports", mapping={"Motif": "creative"}),
            _schedule("typo", "import_kpis", folder="exports", mapping={"Motif": "creativ"}),
            _schedule("outside", "import_kpis", folder="/"),
            _schedule("drift", "drift_check"),
        ),
    )
    assert "does not exist" in found["schedule images"]
    assert "there is no field 'creativ'" in found["schedule typo"]
    assert "outside the workspace" in found["schedule outside"]
    assert (found["schedule kpis"], found["schedule drift"]) == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["exports"]


def test_commands_addresses_and_secrets_are_looked_at_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAT", "ftp://example.com/hidden-token")
    monkeypatch.setenv("EXPORT", "https://example.com/hidden-token")
    monkeypatch.setenv("OPS", "no-such-service://hidden-token")
    found = _problems(
        tmp_path,
        schedule=(_schedule("beat", "heartbeat", url_env="BEAT"), _schedule("quiet", "heartbeat", url_env="UNSET")),
        source=(
            SourceSettings(key="pull", command=("true", "{yesterday}")),
            SourceSettings(key="gone", command=("/opt/ads/pull",)),
            SourceSettings(key="web", url_env="EXPORT"),
            SourceSettings(key="locked", url_env="EXPORT", headers_env={"Authorization": "UNSET"}),
        ),
        alerts=AlertSettings(channel=(ChannelSettings(name="ops", url_env="OPS"),)),
    )
    assert "must begin with https://" in found["schedule beat"]
    assert "UNSET is not set" in found["schedule quiet"]
    assert "no program 'pull'" in found["source gone"]
    assert "UNSET is not set" in found["source locked"]
    assert "does not understand its address" in found["channel ops"]
    assert (found["source pull"], found["source web"]) == ("", "")
    assert "hidden" not in str(found)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = _problems(tmp_path, daemon=DaemonSettings(port=port))
    assert f"127.0.0.1 port {port} cannot be used" in found["port of /healthz and /metrics"]


def test_schedules_that_would_not_start_are_refused_as_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no job 'scoring'"):
        _problems(tmp_path, schedule=(_schedule("typo", "scoring"),))


def test_the_schedules_and_sources_on_the_page_about_the_daemon_are_valid(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        settings = Settings(workspace=tmp_path, **tomllib.loads(example))
        assert len(check_all(settings.schedules)) >= 3
