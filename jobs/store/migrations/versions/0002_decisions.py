"""Cases fixed at submission, named scenarios, and decisions that nobody can change afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FINAL = ("decisions", "actuals")  # tables whose rows are written once


def upgrade() -> None:
    op.add_column("pilots", sa.Column("case_hash", sa.String(), nullable=False, server_default=""))
    op.add_column("cases", sa.Column("name", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "actuals",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("decision_id", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("actual", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("actuals_by_decision", "actuals", ["decision_id", "id"], unique=False)
    _make_final(op.get_bind().dialect.name)


def _make_final(dialect: str) -> None:
    if dialect == "sqlite":
        for table in FINAL:
            for what in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} are final'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% are final', TG_TABLE_NAME; END $$"
    )
    for table in FINAL:
        op.execute(
            f"CREATE TRIGGER {table}_final BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
