import json
from typing import Any

from abkit_model.query_transformer import QueryTransformer
from abkit_model.training.query_number import diversity
from tests.model.conftest import network_config


def test_a_single_query_has_no_diversity_and_a_card_can_say_so() -> None:
    network = QueryTransformer(network_config(4, 4, bins=5, members=5, queries=1, width=8, components=2))
    features: Any = None  # nothing is looked at
    # NaN is no JSON, and PostgreSQL refuses a card that has one
    assert json.dumps(diversity(network, features), allow_nan=False) == "null"
