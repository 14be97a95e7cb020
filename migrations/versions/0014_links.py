"""Links by normalized names: keys of names, all names of an ad, the names of a creative in each campaign."""

import sqlalchemy as sa
from alembic import op

from abkit.names import composed, link_key

revision = "0014_links"
down_revision = "0013_reading"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT_ONCE = 5_000
LINKED_BY = ("name", "sha256", "normalized", "pattern", "similar", "hash", "table", "hand")


def upgrade() -> None:
    """Forward."""
    with op.batch_alter_table("ad_creative") as table:
        table.add_column(sa.Column("confidence", sa.Float(precision=53), nullable=True))
        listed = ",".join(f"'{word}'" for word in LINKED_BY)
        table.create_check_constraint(op.f("ck_ad_creative_linked_by"), f"linked_by IN ({listed})")
    op.create_table(
        "campaign_alias",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("creative_alias_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_campaign_alias_campaign_id_campaign")),
        sa.ForeignKeyConstraint(
            ["creative_alias_id"],
            ["creative_alias.id"],
            name=op.f("fk_campaign_alias_creative_alias_id_creative_alias"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_campaign_alias_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_alias")),
        sa.UniqueConstraint("campaign_id", "creative_alias_id", name=op.f("uq_campaign_alias_campaign_id")),
    )
    op.create_index("ix_campaign_alias_creative_alias_id", "campaign_alias", ["creative_alias_id"], unique=False)
    op.create_table(
        "ad_name",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("ad_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("link_key", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ad_id"], ["ad.id"], name=op.f("fk_ad_name_ad_id_ad")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_ad_name_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ad_name")),
        sa.UniqueConstraint("ad_id", "name", name=op.f("uq_ad_name_ad_id")),
    )
    op.create_index(op.f("ix_ad_name_link_key"), "ad_name", ["link_key"], unique=False)
    op.create_table(
        "ad_unlinked",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("ad_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ad_id"], ["ad.id"], name=op.f("fk_ad_unlinked_ad_id_ad")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_ad_unlinked_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ad_unlinked")),
        sa.UniqueConstraint("ad_id", name=op.f("uq_ad_unlinked_ad_id")),
    )
    op.add_column("creative_alias", sa.Column("link_key", sa.Text(), nullable=True))
    _key_the_names_of_creatives()
    with op.batch_alter_table("creative_alias") as table:
        table.alter_column("link_key", existing_type=sa.Text(), nullable=False)
    op.create_index(op.f("ix_creative_alias_link_key"), "creative_alias", ["link_key"], unique=False)
    _name_ads()
    _name_creatives_in_campaigns()


def _key_the_names_of_creatives() -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, base_name FROM creative_alias")).all()
    for start in range(0, len(rows), AT_ONCE):
        keyed = [
            {"id": id_, "base": composed(base), "key": link_key(base)} for id_, base in rows[start : start + AT_ONCE]
        ]
        update = "UPDATE creative_alias SET base_name = :base, link_key = :key WHERE id = :id"
        connection.execute(sa.text(update), keyed)


def _name_ads() -> None:
    """Keep the name of each ad's creative, or its own; and the name of every creative that it was linked to by name."""
    connection = op.get_bind()
    ads = connection.execute(sa.text("SELECT id, external_id, creative_name, run_id FROM ad")).all()
    names = {(id_, creative or own): run for id_, own, creative, run in ads if creative or not own.isdecimal()}
    keys = {(id_, link_key(name)) for id_, name in names}
    links = """
        SELECT l.ad_id, a.base_name, a.link_key, l.run_id FROM ad_creative l
        JOIN creative_alias a ON a.creative_id = l.creative_id WHERE l.linked_by = 'name' ORDER BY l.id, a.id
    """
    linked: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for ad, base, key, run in connection.execute(sa.text(links)):
        linked.setdefault((ad, run), []).append((base, key))
    for (ad, run), aliases in linked.items():
        if not any((ad, key) in keys for _, key in aliases):
            names[ad, aliases[-1][0]] = run
    rows = [{"ad": ad, "name": name, "key": link_key(name), "run": run} for (ad, name), run in names.items()]
    insert = "INSERT INTO ad_name (ad_id, name, link_key, run_id) VALUES (:ad, :name, :key, :run)"
    for start in range(0, len(rows), AT_ONCE):
        connection.execute(sa.text(insert), rows[start : start + AT_ONCE])


def _name_creatives_in_campaigns() -> None:
    """A name was written with the run that put its creative into the campaign, or it is in one campaign only.

    Where a creative was scored for two campaigns under one path, that path was written once: it counts for both.
    """
    insert = "INSERT INTO campaign_alias (campaign_id, creative_alias_id, run_id) "
    pairs = (
        "SELECT m.campaign_id, a.id, a.run_id FROM campaign_creative m "
        "JOIN creative_alias a ON a.creative_id = m.creative_id "
    )
    alone = "SELECT creative_id FROM campaign_creative GROUP BY creative_id HAVING count(*) = 1"
    op.execute(insert + pairs + f"WHERE a.run_id = m.run_id OR m.creative_id IN ({alone}) ORDER BY a.id, m.id")
    named = (
        "SELECT 1 FROM campaign_alias c JOIN creative_alias b ON b.id = c.creative_alias_id "
        "WHERE c.campaign_id = m.campaign_id AND b.creative_id = m.creative_id"
    )
    scored = "JOIN run r ON r.id = m.run_id AND r.what IN ('score', 'score_folder') "
    op.execute(insert + pairs + scored + f"WHERE NOT EXISTS ({named}) ORDER BY a.id, m.id")


def downgrade() -> None:
    """Back."""
    op.drop_index(op.f("ix_creative_alias_link_key"), table_name="creative_alias")
    op.drop_column("creative_alias", "link_key")
    op.drop_table("ad_unlinked")
    op.drop_index(op.f("ix_ad_name_link_key"), table_name="ad_name")
    op.drop_table("ad_name")
    op.drop_index("ix_campaign_alias_creative_alias_id", table_name="campaign_alias")
    op.drop_table("campaign_alias")
    # The former release knows links by names, by hashes and by hand.
    op.execute("UPDATE ad_creative SET linked_by = 'name' WHERE linked_by = 'normalized'")
    op.execute("UPDATE ad_creative SET linked_by = 'hand' WHERE linked_by NOT IN ('name', 'sha256')")
    with op.batch_alter_table("ad_creative") as table:
        table.drop_constraint(op.f("ck_ad_creative_linked_by"), type_="check")
        table.drop_column("confidence")
