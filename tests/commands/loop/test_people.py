"""Raters and reviews from the command line."""

import json
from pathlib import Path

from abkit import Workspace
from abkit.store.runs import begin_run
from abkit.workflows.ratings.rater_links import check_token
from tests.commands.conftest import Here
from tests.store.rows import add_scores, add_version


def scored(folder: Path) -> None:
    with Workspace.open(folder) as workspace:
        run = begin_run(workspace.store, "test", {})
        pairs = {"error_spread": 0.35, "n": 240, "labels": "ratings"}
        version = add_version(workspace.store, run, "z", card={"metrics": {"pairs": pairs}, "notice": ""})
        add_scores(workspace.store, run, version, {"a": 5.0, "b": 1.0, "c": 1.1}, campaign="spring")


def test_links_of_raters_are_made_listed_revoked_and_forgotten(quick_workspace: Path, here: Here) -> None:
    made = here("rater", "link", "ann", "--days", 2, cwd=quick_workspace)
    assert made.returncode == 0, made.stderr
    address = made.stdout.strip()
    assert address.startswith("http://127.0.0.1:8715/label/link/")
    with Workspace.open(quick_workspace) as workspace:
        assert check_token(workspace.store, address.rsplit("/", 1)[1]) is not None
    (row,) = json.loads(here("rater", "list", "-f", "json", cwd=quick_workspace).stdout)
    assert (row["name"], row["state"], row["answers"]) == ("ann", "open", 0)
    assert "1 link revoked" in here("rater", "revoke", "ann", cwd=quick_workspace).stdout
    assert here("rater", "revoke", cwd=quick_workspace).returncode == 2
    done = here("rater", "forget", "ann", cwd=quick_workspace)
    assert "0 votes stay" in done.stdout
    assert here("rater", "forget", "ann", cwd=quick_workspace).returncode != 0
    assert "ann" not in here("rater", "list", cwd=quick_workspace).stdout


def test_the_gate_of_the_shortlist_asks_for_approval_where_that_was_agreed(quick_workspace: Path, here: Here) -> None:
    scored(quick_workspace)
    shortlist = ("shortlist", "-c", "spring", "--model", "model z", "--keep", 1, "--p-best", 0.01, "--gate")
    before = here(*shortlist, cwd=quick_workspace)
    agreed = here(
        "campaign", "review-flow", "spring", "--approvals", 2, "--gate", "--note", "legal", cwd=quick_workspace
    )
    assert "2 people have to approve" in agreed.stdout
    stopped = here(*shortlist, cwd=quick_workspace)
    assert stopped.returncode == 3
    assert "not approved, which this campaign asks for: a.png (proposed)" in stopped.stderr
    for name in ("ada", "ben"):
        done = here("creative", "review", "a.png", "-c", "spring", "-a", "approve", "--by", name, cwd=quick_workspace)
        assert done.returncode == 0, done.stderr
    assert here(*shortlist, cwd=quick_workspace).returncode == before.returncode
    assert "not approved" not in here(*shortlist, cwd=quick_workspace).stderr
    again = here("creative", "review", "a.png", "b.png", "-c", "spring", "-a", "approve", "--by", "ada",
                 cwd=quick_workspace)  # fmt: skip
    assert again.returncode == 1
    assert "it is approved already" in again.stdout
    history = here("creative", "review", "a.png", "-c", "spring", cwd=quick_workspace)
    assert "approved by ada, ben" in history.stdout
