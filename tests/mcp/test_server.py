"""The tools for language models, through the client of their own SDK."""

import asyncio
import base64
import json
import os
import shutil
import sys
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from PIL import Image
from sqlalchemy import delete, func, select, update
from starlette.testclient import TestClient

from abkit import Workspace
from abkit.commands.operate.mcp import mcp
from abkit.config import Settings, WebSettings
from abkit.errors import UsageError
from abkit.mcp import server
from abkit.mcp.answers import LARGE_SIDE, MOST_TEXT, SIDE, cut
from abkit.mcp.server import http_app
from abkit.store.schema import Base, Creative, CreativeAlias
from abkit.workflows.upkeep.people import add_person, create_token
from tests.images import save_images
from tests.mcp.calls import call, said

TOOLS = {
    "rank_folder", "explain_creative", "shortlist", "list_campaigns", "what_to_label",
    "score_and_kpi", "drift_status", "analyze_test", "design_test", "compare_counts",
}  # fmt: skip


def images(result: Any) -> list[Image.Image]:
    return [Image.open(BytesIO(base64.b64decode(part.data))) for part in result.content if part.type == "image"]


def test_a_real_process_speaks_over_standard_input(stocked: Workspace) -> None:
    config = stocked.settings.workspace / "abkit.toml"
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "abkit", "--config", str(config), "mcp"],
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )

    async def talk() -> None:
        async with Client(stdio_client(parameters), mode="legacy") as client:
            tools = (await client.list_tools()).tools
            assert {tool.name for tool in tools} == TOOLS
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            assert "spring" in said(await client.call_tool("list_campaigns", {}))
            short: Any = await client.call_tool("shortlist", {"campaign": "spring", "show": 1})
            assert len(images(short)) == 1
            refused: Any = await client.call_tool("rank_folder", {"folder": "../"})
            assert refused.is_error
            assert "outside the workspace" in said(refused)

    asyncio.run(asyncio.wait_for(talk(), 120))


def test_a_folder_is_ranked_and_a_creative_explained_with_small_images(studio: Workspace) -> None:
    save_images(studio.settings.workspace / "ads", 3, size=(900, 500))
    ranked = call(studio, "rank_folder", folder="ads", show=2)
    lines = said(ranked).splitlines()
    assert lines[0].endswith("untrained")
    assert [line[:2] for line in lines[1:]] == ["1.", "2.", "3."]
    assert [max(image.size) for image in images(ranked)] == [SIDE, SIDE]
    (sheet,) = images(call(studio, "explain_creative", creative="ads/creative_0000.png"))
    assert SIDE < max(sheet.size) <= LARGE_SIDE


def test_what_the_store_has_is_told(stocked: Workspace) -> None:
    assert "spring" in said(call(stocked, "list_campaigns"))
    short = call(stocked, "shortlist", campaign="spring", keep=2)
    assert "spring_00" in said(short)
    assert images(short)
    drift = json.loads(call(stocked, "drift_status").content[0].text)
    assert drift["standing"]
    relation = json.loads(said(call(stocked, "score_and_kpi")))
    assert {one["metric"] for one in relation} == {"ctr"}
    assert all({"ci_low", "ci_high", "n"} <= set(one) for one in relation)
    assert "headline" in said(call(stocked, "analyze_test"))
    assert said(call(stocked, "analyze_test", experiment="headline")).startswith("Look 1")


def test_tools_only_read(stocked: Workspace) -> None:
    def counts() -> list[Any]:
        with stocked.store.read() as session:
            return [session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables]

    before = counts()
    for tool, arguments in (
        ("list_campaigns", {}),
        ("shortlist", {"campaign": "spring"}),
        ("drift_status", {}),
        ("score_and_kpi", {}),
        ("analyze_test", {"experiment": "headline"}),
        ("what_to_label", {"campaign": "spring"}),
        ("explain_creative", {"creative": "spring_50.png"}),
    ):
        call(stocked, tool, **arguments)  # type: ignore[arg-type]
    assert counts() == before


def test_calculations_have_intervals(stocked: Workspace) -> None:
    designed = said(call(stocked, "design_test", baseline=0.02, lift=0.1))
    assert "80,682" in designed
    arms = {"control_successes": 480, "control_trials": 10_000, "treatment_successes": 560, "treatment_trials": 10_100}
    compared = said(call(stocked, "compare_counts", **arms))
    assert "[+0.132 %, +1.358 %]" in compared


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("shortlist", {"campaign": "nothing"}, "there is no campaign"),
        ("analyze_test", {"experiment": "nothing"}, "there is no experiment"),
        ("score_and_kpi", {"metric": "roas"}, "abkit correlate"),
        ("explain_creative", {"creative": "0" * 64}, "no creative is called"),
        ("explain_creative", {"creative": "nothing.png"}, "no file or folder"),
        ("rank_folder", {"folder": "/etc"}, "outside the workspace"),
        ("rank_folder", {"folder": "ads/../../.."}, "outside the workspace"),
        ("rank_folder", {"folder": "\0"}, "not a path"),
    ],
)
def test_an_error_is_a_sentence(stocked: Workspace, tool: str, arguments: dict[str, Any], words: str) -> None:
    result = call(stocked, tool, **arguments)
    assert result.is_error
    assert words in said(result)
    assert "Traceback" not in said(result)


def test_a_fault_is_told_without_its_details(stocked: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("abkit.mcp.creatives.campaign_page", fail)
    result = call(stocked, "list_campaigns")
    assert result.is_error
    assert "hunter2" not in said(result)
    assert "RuntimeError" in said(result)


def test_a_link_out_of_the_workspace_is_not_followed(studio: Workspace, tmp_path: Path) -> None:
    save_images(tmp_path / "outside", 1)
    folder = studio.settings.workspace / "linked"
    folder.mkdir()
    (folder / "away.png").symlink_to(tmp_path / "outside" / "creative_0000.png")
    (studio.settings.workspace / "elsewhere").symlink_to(tmp_path / "outside")
    assert "no images" in said(call(studio, "rank_folder", folder="linked"))
    assert "outside the workspace" in said(call(studio, "rank_folder", folder="elsewhere"))
    shutil.rmtree(folder)


def test_another_image_in_the_place_of_a_creative_is_not_shown(own_stocked: Workspace, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "secret.png")
    with own_stocked.store.write() as session:
        alias = session.scalars(select(CreativeAlias)).first()
        assert alias is not None
        of_it = CreativeAlias.creative_id == alias.creative_id
        session.execute(delete(CreativeAlias).where(of_it, CreativeAlias.id != alias.id))
        session.execute(update(CreativeAlias).where(of_it).values(name=str(tmp_path / "secret.png")))
        sha256 = session.scalar(select(Creative.sha256).where(Creative.id == alias.creative_id))
    result = call(own_stocked, "explain_creative", creative=sha256)
    assert result.is_error
    assert "no longer where it was scored" in said(result)
    assert not images(result)


def test_long_texts_are_cut() -> None:
    assert len(cut("x" * (MOST_TEXT + 5))) < MOST_TEXT + 100
    assert "5 more characters" in cut("x" * (MOST_TEXT + 5))


# --- over HTTP ----------------------------------------------------------------------------------------------------

ASK = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}


def ask(workspace: Workspace, *, token: bool, base: str = "http://127.0.0.1", **headers: str) -> Any:
    app = http_app(workspace, host="127.0.0.1", hosts=("abkit.example.com",), token=token)
    with TestClient(app, base_url=base) as client:
        return client.post("/mcp", json=ASK, headers=HEADERS | headers)


def test_this_machine_needs_no_token_and_no_web_page_can_use_it(stocked: Workspace) -> None:
    answer = ask(stocked, token=False)
    assert answer.status_code == 200, answer.text
    assert {tool["name"] for tool in answer.json()["result"]["tools"]} == TOOLS
    assert ask(stocked, token=False, base="http://rebind.example.net").status_code == 421
    assert ask(stocked, token=False, Origin="https://evil.example.net").status_code == 403


def test_elsewhere_a_token_that_may_view_is_needed(own_stocked: Workspace) -> None:
    add_person(own_stocked.store, "ada", "viewer", "a long password")
    secrets = [
        create_token(own_stocked.store, "ada", label="mcp", scopes=[scope], days=1).secret
        for scope in ("view", "label")
    ]
    for value, status in (("", 401), ("Bearer x", 401), (f"Bearer {secrets[1]}", 401), (f"Bearer {secrets[0]}", 200)):
        headers = {"Authorization": value} if value else {}
        assert ask(own_stocked, token=True, base="http://abkit.example.com", **headers).status_code == status


@pytest.mark.parametrize(
    ("web", "host", "token"),
    [
        ({}, "127.0.0.1", False),
        ({}, "0.0.0.0", True),  # noqa: S104
        ({"hosts": ("abkit.example.com",)}, "127.0.0.1", True),
        ({"user_header": "X-User"}, "localhost", True),
        ({"sign_in": True}, "::1", True),
    ],
)
def test_where_others_come_through_a_proxy_a_token_is_needed_on_this_machine_too(
    monkeypatch: pytest.MonkeyPatch, web: dict[str, Any], host: str, token: bool
) -> None:
    asked: list[bool] = []

    def made(*_: object, token: bool, **__: object) -> None:
        asked.append(token)
        raise UsageError("that is enough")

    monkeypatch.setattr(server, "http_app", made)
    workspace = SimpleNamespace(store=None, settings=Settings(web=WebSettings(**web)))
    context: Any = SimpleNamespace(obj=SimpleNamespace(workspace=nullcontext(workspace)))
    with pytest.raises(UsageError, match="enough"):
        mcp(context, http=True, host=host, port=0, write=False)
    assert asked == [token]
