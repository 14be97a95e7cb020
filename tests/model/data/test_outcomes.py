from pathlib import Path

import numpy as np
import pytest

from abkit_model.data.outcomes import OutcomeTable, is_outcome_table, read_outcomes
from abkit_model.errors import LabelError

COMMAND = "abkit model train t.csv --images ads --out ours"


def table(tmp_path: Path, text: str, name: str = "outcomes.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(count: int, campaigns: int = 4, row: str = "{i}.png,c{c},{a},0.1") -> list[str]:
    return [row.format(i=i, c=i % campaigns, a=round(0.1 * (i % 7) - 0.3, 3)) for i in range(count)]


def read(tmp_path: Path, header: str, *lines: str) -> OutcomeTable:
    return read_outcomes(table(tmp_path, "\n".join([header, *lines])))


HEADER = "image,campaign,appeal,standard_error"


def test_appeals_come_with_their_standard_errors(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, *rows_of(24))
    assert len(found.images) == 24
    assert found.variance.tolist() == pytest.approx([0.01] * 24)
    assert found.appeal[3] == pytest.approx(0.0)
    assert [name for name, _ in found.cells] == ["c0", "c1", "c2", "c3"]
    assert np.isnan(found.events).all()
    assert not found.rejected


def test_counts_become_appeals_and_no_clicks_at_all_are_no_minus_infinity(tmp_path: Path) -> None:
    lines = rows_of(24, row="{i}.png,c{c},0,9.5")
    found = read(tmp_path, "image,campaign,clicks,expected", *lines[:-1], "23.png,c3,19,9.5")
    assert found.appeal[0] == pytest.approx(np.log(0.5 / 10))
    assert found.appeal[-1] == pytest.approx(np.log(19.5 / 10))
    assert found.variance[0] == pytest.approx(1 / 10)


def test_clicks_and_impressions_are_held_against_the_rate_of_their_campaign(tmp_path: Path) -> None:
    lines = [f"{i}.png,c{i % 2},{50 if i < 2 else 10},1000" for i in range(24)]
    found = read(tmp_path, "image,campaign,clicks,impressions", *lines)
    expected = (50 + 11 * 10) / 12
    assert found.expected.tolist() == pytest.approx([expected] * 24)
    assert found.appeal[0] == pytest.approx(np.log(50.5 / (expected + 0.5)))


def test_rows_that_cannot_be_used_are_refused_with_line_and_reason(tmp_path: Path) -> None:
    bad = {
        ",c0,0.1,0.1": "no image or no campaign",
        "0.png,c0,0.1,0.1": "came before in campaign c0, on line 2",
        "x.png,c0,,0.1": "not identified",
        "y.png,c0,NaN,0.1": "not identified",
        "z.png,c0,much,0.1": "appeal 'much' is not a finite number",
        "w.png,c0,99,0.1": "outside -20 to 20",
        "v.png,c0,0.1,0": "a standard error of 0",
        "u.png,c0,0.1,-1": "outside 0 to 20",
        f"{'t' * 600}.png,c0,0.1,0.1": "longer than 500",
        "s.png,alone,0.1,0.1": "alone in campaign alone",
    }
    found = read(tmp_path, HEADER, *rows_of(24), *bad)
    assert [line for line, _ in found.rejected] == list(range(26, 36))
    for (_, reason), expected in zip(found.rejected, bad.values(), strict=True):
        assert expected in reason
    assert len(found.image) == 24


def test_a_campaign_without_events_tells_nothing(tmp_path: Path) -> None:
    lines = [f"{i}.png,c{i % 4},{i},100" for i in range(24)]
    found = read(tmp_path, "image,campaign,clicks,impressions", *lines, "x.png,dead,0,100", "y.png,dead,0,100")
    assert [line for line, _ in found.rejected] == [26, 27]
    assert all("campaign dead has no events" in reason for _, reason in found.rejected)


def test_experiments_and_delivery_of_one_campaign_are_not_compared_with_each_other(tmp_path: Path) -> None:
    lines = [f"{i}.png,c{i % 4},{0.1 * (i % 5)},0.1,{'randomized' if i < 12 else 'observational'}" for i in range(24)]
    found = read(tmp_path, HEADER + ",source", *lines, "z.png,c0,0.1,0.1,guessed")
    assert len(found.cells) == 8
    assert sum(chance for _, chance in found.cells) == 4
    assert "'guessed' is neither" in found.rejected[0][1]


def test_three_creatives_are_too_few_and_the_message_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="3 creatives in 1 campaign, 20 creatives are needed"):
        read(tmp_path, HEADER, *rows_of(3, campaigns=1))


def test_equal_appeals_teach_nothing(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="all creatives have the same appeal"):
        read(tmp_path, HEADER, *[f"{i}.png,c{i % 4},{i % 4},0.1" for i in range(24)])


def test_creatives_of_few_families_cannot_be_held_out(tmp_path: Path) -> None:
    lines = [f"{one},idea{i % 3}" for i, one in enumerate(rows_of(24))]
    with pytest.raises(LabelError, match="3 families, 5 are needed"):
        read(tmp_path, HEADER + ",family", *lines)


def test_a_campaign_of_one_family_is_said(tmp_path: Path) -> None:
    lines = [f"{one},{'same' if i % 4 == 0 else i}" for i, one in enumerate(rows_of(24))]
    found = read(tmp_path, HEADER + ",family", *lines)
    assert any("campaign c0 are of one family" in note for note in found.notes)


def test_two_metrics_or_currencies_in_one_table_are_refused(tmp_path: Path) -> None:
    lines = [f"{one},{'ctr' if i else 'cvr'}" for i, one in enumerate(rows_of(24))]
    with pytest.raises(LabelError, match="2 metrics: ctr, cvr"):
        read(tmp_path, HEADER + ",metric", *lines)
    lines = [f"{one},roas,{'EUR' if i else 'USD'}" for i, one in enumerate(rows_of(24))]
    with pytest.raises(LabelError, match="2 currencies"):
        read(tmp_path, HEADER + ",metric,currency", *lines)
    assert read(tmp_path, HEADER + ",metric,currency", *[f"{one},roas,EUR" for one in rows_of(24)]).metric == "roas eur"


def test_columns_with_other_names_are_asked_about_once_with_the_whole_command(tmp_path: Path) -> None:
    lines = rows_of(24, row="{i}.png;c{c};{a};0,1")
    path = table(tmp_path, "\n".join(["Datei;Gruppe;appeal;Fehler", *lines]))
    with pytest.raises(LabelError) as caught:
        read_outcomes(path, command=COMMAND)
    assert "no column with image, campaign" in caught.value.message
    assert "'Datei', 'Gruppe', 'Fehler'" in caught.value.message
    assert f"{COMMAND} --map 'COLUMN=image' --map 'COLUMN=campaign'" in caught.value.hint
    found = read_outcomes(path, columns={"image": "Datei", "campaign": "Gruppe", "standard_error": "Fehler"})
    assert len(found.images) == 24
    assert found.variance[0] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("header", "outcomes"),
    [
        ("image,campaign,appeal", True),
        ("file,campaign,clicks,impressions", True),
        ("image,campaign,events,expected,source", True),
        ("image,rater,score,campaign", False),
        ("image,n1,n2,n3,campaign,clicks", False),
        ("image,mean,n", False),
        ("image_a,image_b,share,weight", False),
    ],
)
def test_outcomes_are_known_by_their_columns(tmp_path: Path, header: str, outcomes: bool) -> None:
    assert is_outcome_table(table(tmp_path, header + "\n")) is outcomes


def test_hostile_bytes_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_bytes(b"\x1f\x8bimage,campaign,appeal")
    with pytest.raises(LabelError, match="cannot be read"):
        read_outcomes(path)
