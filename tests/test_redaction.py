"""Secrets are taken out of texts by their form, and by their value where it is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abkit.redaction import keep_secret, keep_secrets_of, redacted, redacted_traceback, redacted_values

CANARY = "S3cr-et9x"
SIGNS = st.text("abcXYZ0123456789@:/?#%&=+ !$[]'\"", max_size=8)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:{}@host/ads", "postgresql://me:***@host/ads"),
        ("postgresql+psycopg://me:p@{}@host/ads", "postgresql+psycopg://me:***@host/ads"),
        ("postgres://me:p/{}@host/ads", "postgres://me:***@host/ads"),
        ("postgresql://me:p?{}@host/ads", "postgresql://me:***@host/ads"),
        ("postgresql://me:p#{}@host/ads", "postgresql://me:***@host/ads"),
        ("postgresql://me:p {}@host/ads", "postgresql://me:***@host/ads"),
        ("postgresql://me@server:{}@host/ads", "postgresql://me@server:***@host/ads"),
        ("postgresql://me:{}/ads", "postgresql://me:***/ads"),
        ("postgresql://host/ads?password={}&sslmode=require", "postgresql://host/ads?password=***&sslmode=require"),
        ("postgresql://host/ads?sslpassword={}", "postgresql://host/ads?sslpassword=***"),
        ("host=db user=me password={} dbname=ads", "host=db user=me password=*** dbname=ads"),
        ("host=db password = '{} b' dbname=ads", "host=db password = *** dbname=ads"),
        ("the channel slack://T1/{}/x.", "the channel slack://…."),
        ("json://user:{}@127.0.0.1:80/hook", "json://…"),
        ("https://u:{}@host/a.csv", "https://***@host/a.csv"),
        ("https://host/a.csv?sig={}", "https://host/a.csv?…"),
        ("https://hooks.slack.com/services/T0/B0/{}", "https://hooks.slack.com/…"),
        ('{{"password": "{}", "key": "spring"}}', '{{"password": "***", "key": "spring"}}'),
        ("Authorization: Bearer {}", "Authorization: Bearer ***"),
    ],
)
def test_a_secret_is_known_by_its_form(text: str, shown: str) -> None:
    assert redacted(text.format(CANARY)) == shown.format()
    assert redacted(shown.format()) == shown.format()


@pytest.mark.parametrize(
    "text",
    [
        "see https://github.com/caronc/apprise/wiki.",
        "postgresql://USER@HOST/NAME or sqlite:///PATH",
        "sqlite:////srv/ads/abkit.db",
        "postgresql://host:5432/ads?sslmode=require",
        "PGPASSWORD=$PW pg_dump",
        "a scheme such as slack://, C:/ads, 10:30, 5/7, s3://bucket/may.csv",
        "http://127.0.0.1:8714/healthz",
        "creatives:60 · token_cache_mb=2048",
        "https://example.com/exports/2026-05/spring_sale_v2.csv",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@given(SIGNS, SIGNS, st.sampled_from(["postgresql", "postgresql+psycopg", "postgres", "mysql"]))
def test_no_sign_in_a_password_lets_a_part_of_it_out(before: str, after: str, scheme: str) -> None:
    assert CANARY not in redacted(f"cannot reach {scheme}://me:{before}{CANARY}{after}@host/ads")


def test_a_secret_may_hold_what_no_encoding_has() -> None:
    keep_secret("pa\udcf6ss-word")
    assert redacted("it said pa\udcf6ss-word") == "it said ***"


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    redacted(text)


def test_a_value_that_was_read_as_a_secret_is_found_anywhere() -> None:
    keep_secret("open sesame", "short", None)
    assert redacted("it said: open sesame, or open%20sesame; short") == "it said: ***, or ***; short"
    keep_secrets_of("json://user:pw12345@host.example/hook/tok-5b1f0c9e7a")
    assert redacted("host.example refused pw12345 and tok-5b1f0c9e7a") == "host.example refused *** and ***"
    assert redacted("xpw12345x") == "xpw12345x", "a part of a longer word is another word"


def test_a_variable_that_is_called_a_secret_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_ACCESS_TOKEN", "EAAB-77-xyz")
    assert redacted("got EAAB-77-xyz") == "got ***"


@pytest.mark.parametrize("name", ["PWD", "OLDPWD"])
def test_the_folder_of_a_shell_is_no_secret_though_its_variable_is_called_like_a_password(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "/home/ana/ads")
    assert redacted("cd /home/ana/ads/demo && abkit open") == "cd /home/ana/ads/demo && abkit open"


def test_members_of_json_are_redacted_by_value_and_by_name() -> None:
    told = {"files": [f"https://u:{CANARY}@h/a.csv"], "db_password": CANARY, "key": "spring", "n": 3, "none": None}
    assert redacted_values(told) == {
        "files": ["https://***@h/a.csv"],
        "db_password": "***",
        "key": "spring",
        "n": 3,
        "none": None,
    }


def test_a_traceback_has_none_of_the_chain() -> None:
    try:
        try:
            raise ValueError(f"slack://{CANARY}")
        except ValueError as error:
            raise RuntimeError(f"password={CANARY}") from error
    except RuntimeError as error:
        shown = redacted_traceback(error)
    assert CANARY not in shown
    assert "ValueError" in shown
    assert "RuntimeError" in shown
