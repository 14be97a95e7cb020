"""What of an address is shown: words, dates and file names, never a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.addresses import holds_password, is_nearly_an_address, masked_url, shown_path
from abkit.errors import UsageError
from abkit.intake.remote.address import local_path, parse_address

TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=24, max_size=64)


@pytest.mark.parametrize(
    "path",
    [
        "/may.csv",
        "/exports/2026-05-01/spring_sale_v2_1080x1080.csv",
        "/dt=2026-05-01/account=12/part-0001.parquet",
        "/act_1234567890123456/insights",
        "/storage/v1/b/bucket/o/ads%2Fmay.csv",
        "/images/5f1d2c3b4a5968778695a4b3c2d1e0ff.jpg",
        "/Exports/Meta Ads/Kampagnen.xlsx",
    ],
)
def test_words_dates_numbers_sizes_and_names_of_files_are_shown(path: str) -> None:
    assert shown_path(path) == path


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("/hook/abcdef0123456789", "abcdef0123456789"),
        ("/hooks/short", "short"),
        ("/api/webhooks/1234567890/aB-c", "aB-c"),
        ("/services/T0000/B0000/XXXXXXXXXXXXXXXXXXXXXXXX", "XXXXXXXXXXXXXXXXXXXXXXXX"),
        ("/spreadsheets/d/e/2PACX-1vSxQ8kZ0aTq7Wm/pub", "1vSxQ8kZ0aTq7Wm"),
        ("/v1/token=abc/x.csv", "abc"),
        ("/export;sig=a1/b.csv", "a1"),
        ("/f/550e8400-e29b-41d4-a716-446655440000/ads.csv", "550e8400"),
        ("/r/deadbeefcafe", "deadbeefcafe"),
        ("/api_key/secret.csv", "secret"),
        ("/%61pi%6Bey/secret.csv", "secret"),
    ],
)
def test_parts_of_a_path_that_may_be_keys_are_not_shown(path: str, secret: str) -> None:
    shown = parse_address(f"https://example.com{path}?sig=1").shown
    assert secret not in shown
    assert "…" in shown
    assert shown == parse_address(f"https://example.com{path}").shown


@given(TOKENS, st.sampled_from(["/{}", "/ads/{}/may.csv", "/x={}/may.csv", "/hook/{}", "/{}/"]))
def test_a_token_is_shown_nowhere_in_a_path_and_two_stay_two(token: str, where: str) -> None:
    shown = parse_address(f"https://example.com{where.format(token)}").shown
    assert token not in shown
    other = parse_address(f"https://example.com{where.format(token + 'x')}").shown
    assert shown != other


@pytest.mark.parametrize(
    "text",
    [
        "https:/example.com/may.csv?sig=SECRET",
        "https:example.com/may.csv?sig=SECRET",
        "s3:/bucket/SECRET",
        "example.com/may.csv?token=SECRET",
        "www.example.com/x?key=SECRET",
        "EXAMPLE.COM:8443/x?a=1&key=SECRET",
    ],
)
def test_an_address_without_its_beginning_is_not_repeated(text: str) -> None:
    assert is_nearly_an_address(text)
    with pytest.raises(UsageError) as refused:
        local_path(text)
    assert "SECRET" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize("path", ["ads/may.csv", "C:/ads/may.csv", "ads.d/a=b.csv", "/srv/a?b=c/may.csv", "-"])
def test_a_path_of_this_machine_is_none(path: str) -> None:
    assert not is_nearly_an_address(path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:SECRET@host/ads",
        "postgresql://host/ads?user=me&password=SECRET",
        "snowflake://me@account/db?private_key=SECRET",
        "duckdb:///md:ads?motherduck_token=SECRET",
        "x://host/ads?accessKey=SECRET",
        "x://host/ads?AUTH_TOKEN=SECRET",
    ],
)
def test_secret_values_of_a_database_url_are_known_and_masked(url: str) -> None:
    assert holds_password(url)
    assert "SECRET" not in masked_url(url)


def test_other_values_of_a_database_url_are_shown() -> None:
    url = "postgresql://me@/ads?host=/tmp/socket&sslmode=require"
    assert masked_url(url) == url
    assert not holds_password(url)
