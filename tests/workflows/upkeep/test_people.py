"""People and tokens, as the command line manages them."""

from datetime import UTC, datetime, timedelta

import pytest

from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.store.database.engine import Store
from abkit.workflows.upkeep import people

LONG = "a long enough password"


def test_a_password_is_hashed_by_argon2id_with_64_mib() -> None:
    hashed = people.hash_password(LONG)
    assert hashed.startswith("$argon2id$v=19$m=65536,")
    assert people.password_fits(LONG, hashed)
    assert not people.password_fits(LONG + "!", hashed)
    assert not people.password_fits(LONG, None)
    assert not people.password_fits("x" * 10_000, hashed)


@pytest.mark.parametrize("password", ["", "short", "x" * 201])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(InvalidInput, match="this password cannot be used"):
        people.hash_password(password)


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x1b[2J", "x" * 101])
def test_a_name_can_be_read_on_a_screen(store: Store, name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a name"):
        people.add_person(store, name, "viewer", None)


def test_a_removed_person_can_come_back_and_a_name_is_taken_once(store: Store) -> None:
    people.add_person(store, "root", "admin", None)
    people.add_person(store, "ada", "viewer", None)
    with pytest.raises(UsageError, match="there is a person named 'ada' already"):
        people.add_person(store, "ada", "admin", None)
    people.remove_person(store, "ada")
    people.add_person(store, "ada", "rater", None)
    assert [(one.name, one.role) for one in people.list_people(store).people] == [("ada", "rater"), ("root", "admin")]


def test_the_last_admin_stays(store: Store) -> None:
    people.add_person(store, "root", "admin", None)
    with pytest.raises(UsageError, match="'root' is the only admin"):
        people.remove_person(store, "root")
    with pytest.raises(UsageError, match="'root' is the only admin"):
        people.set_role(store, "root", "viewer")
    people.add_person(store, "second", "admin", None)
    people.remove_person(store, "root")


@pytest.mark.parametrize(
    ("scopes", "days"), [([], 90), (["administer"], 90), (["view", "everything"], 90), (["view"], 0), (["view"], 400)]
)
def test_a_token_has_scopes_and_an_end(store: Store, scopes: list[str], days: int) -> None:
    people.add_person(store, "ada", "admin", None)
    with pytest.raises(AbkitError):
        people.create_token(store, "ada", label="x", scopes=scopes, days=days)
    assert people.list_tokens(store).tokens == ()


def test_a_token_is_shown_once(store: Store) -> None:
    people.add_person(store, "ada", "admin", None)
    made = people.create_token(store, "ada", label="search", scopes=["view", "operate"], days=7)
    assert made.secret.startswith("abkit_")
    (listed,) = people.list_tokens(store, "ada").tokens
    assert (listed.label, listed.scopes, listed.used_at) == ("search", ("operate", "view"), None)
    assert listed.expires_at - datetime.now(UTC) > timedelta(days=6)
    assert made.secret not in str(people.list_tokens(store).to_dict())
    people.revoke_token(store, made.id)
    assert people.list_tokens(store).tokens[0].revoked_at is not None
    with pytest.raises(UsageError, match="there is no token 99"):
        people.revoke_token(store, 99)
