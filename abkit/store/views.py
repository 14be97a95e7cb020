"""Read-only SQL views for dashboards: what was decided, how scores and clicks agree, and what needs a person.

They are made anew after each migration: while they exist, an engine refuses to change the tables that they read.
Each begins with WITH, which no engine writes through. `time` is in seconds since 1970, on both engines.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

_DEFINITIONS = {
    "monitor_decision": """
        WITH checked AS (
            SELECT {as_of} AS time, d.id, d.as_of, d.decision, d.cause, d.layers_judged,
                   COALESCE({coarse}, 0) AS judged_for_major_shifts_only, m.name AS model, d.scope, d.run_id
            FROM decision d LEFT JOIN model_version m ON m.id = d.model_version_id
            WHERE d.standing
        )
        SELECT time, id, as_of, decision, cause, layers_judged, judged_for_major_shifts_only,
               REPLACE(decision, '_', ' ') || COALESCE(
                   ' (' || layers_judged || ' of 5 layers judged' ||
                   CASE WHEN judged_for_major_shifts_only > 0
                        THEN ', ' || judged_for_major_shifts_only || ' for major shifts only' ELSE '' END || ')',
                   ''
               ) AS headline, model, scope, run_id
        FROM checked""",
    "monitor_srcc": """
        WITH found AS (
            SELECT {as_of} AS time, d.as_of, m.name AS model, d.metric, d.segment, d.scope, d.estimate, d.ci_low,
                   d.ci_high, d.ci_level, d.n, d.window_start, d.window_end, d.run_id,
                   d.model_version_id = COALESCE(
                       (SELECT p.model_version_id FROM promotion p WHERE p.segment = '' ORDER BY p.id DESC LIMIT 1),
                       (SELECT s.model_version_id FROM score s ORDER BY s.id DESC LIMIT 1)
                   ) AS active
            FROM correlation_result d JOIN model_version m ON m.id = d.model_version_id
            WHERE d.statistic = 'srcc'
        ) SELECT * FROM found""",
    "monitor_unlinked": """
        WITH delivered AS (
            SELECT k.ad_id, SUM(k.impressions) AS impressions FROM kpi k WHERE k.left_out = '' GROUP BY k.ad_id
        ), linked AS (
            SELECT COALESCE(a.same_as, a.id) AS head FROM ad_creative c JOIN ad a ON a.id = c.ad_id
        ), marked AS (
            SELECT delivered.impressions,
                   CASE WHEN COALESCE(a.same_as, a.id) IN (SELECT head FROM linked) THEN 0 ELSE 1 END AS unlinked
            FROM delivered JOIN ad a ON a.id = delivered.ad_id
        ), summed AS (
            SELECT CAST(COALESCE(SUM(impressions), 0) AS BIGINT) AS impressions,
                   CAST(COALESCE(SUM(impressions * unlinked), 0) AS BIGINT) AS unlinked_impressions,
                   CAST(COALESCE(SUM(unlinked), 0) AS BIGINT) AS unlinked_ads
            FROM marked
        )
        SELECT impressions, unlinked_impressions, unlinked_ads,
               CAST(unlinked_impressions AS DOUBLE PRECISION) / NULLIF(impressions, 0) AS unlinked_share
        FROM summed""",
    "monitor_alert": """
        WITH still_open AS (
            SELECT {opened_at} AS time, d.id, d.rule, d.severity, d.title, d.times_seen,
                   CASE WHEN d.silenced_until > CURRENT_TIMESTAMP THEN 'silenced'
                        WHEN d.acknowledged_at IS NOT NULL THEN 'acknowledged'
                        WHEN d.clear_since IS NULL THEN 'firing' ELSE 'calming' END AS state
            FROM alert d WHERE d.resolved_at IS NULL
        ) SELECT * FROM still_open""",
    "monitor_job": """
        WITH succeeded AS (
            SELECT schedule, MAX(id) AS id FROM run WHERE schedule <> '' AND state = 'done' GROUP BY schedule
        )
        SELECT s.key AS schedule, s.job, s.enabled, s.failures, {next_run_at} AS next_run, d.id AS run_id,
               {finished_at} AS last_success, {now} - {finished_at} AS seconds_since_success
        FROM schedule s LEFT JOIN succeeded ON succeeded.schedule = s.key LEFT JOIN run d ON d.id = succeeded.id""",
}
_INSTANTS = {"as_of": "d.as_of", "opened_at": "d.opened_at", "finished_at": "d.finished_at"}
_INSTANTS |= {"next_run_at": "s.next_run_at", "now": "CURRENT_TIMESTAMP"}
_SECONDS = {
    "sqlite": "CAST(strftime('%s', {}) AS INTEGER)",
    "postgresql": "CAST(FLOOR(EXTRACT(EPOCH FROM {})) AS BIGINT)",
}
_COARSE = {
    "sqlite": "json_array_length(d.reasons, '$.coarse')",
    "postgresql": "jsonb_array_length(d.reasons -> 'coarse')",
}

VIEWS = tuple(_DEFINITIONS)
"""Their names."""


def drop_views(connection: Connection) -> dict[str, list[str]]:
    """Drop the views, and return which roles could read each, quoted for SQL; none on SQLite."""
    readers = _readers(connection) if connection.dialect.name == "postgresql" else {}
    for name in VIEWS:
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
    return readers


def make_views(connection: Connection, readers: dict[str, list[str]]) -> None:
    """Make the views of this release, and let the same roles read them."""
    seconds = _SECONDS[connection.dialect.name]
    parts = {name: seconds.format(column) for name, column in _INSTANTS.items()}
    parts["coarse"] = _COARSE[connection.dialect.name]
    for name, definition in _DEFINITIONS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {definition.format(**parts)}")
        for role in readers.get(name, ()):
            connection.execute(text(f"GRANT SELECT ON {name} TO {role}"))


def _readers(connection: Connection) -> dict[str, list[str]]:
    rows = connection.execute(
        text(
            "SELECT table_name, grantee FROM information_schema.role_table_grants "
            "WHERE table_schema = current_schema() AND privilege_type = 'SELECT' AND grantee <> current_user"
        )
    )
    quote = connection.dialect.identifier_preparer.quote_identifier
    found: dict[str, list[str]] = {}
    for name, role in rows:
        if name in VIEWS:
            found.setdefault(name, []).append("PUBLIC" if role == "PUBLIC" else quote(role))
    return found
