"""How callers pause, kept beyond a restart"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    op.create_table(
        "caller_habits",
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("user_id", sa.String(length=200), nullable=False),
        sa.Column("pauses_ms", sa.JSON(), nullable=False),
        sa.Column("learned_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "user_id"),
    )
    op.create_index("caller_habits_by_age", "caller_habits", ["learned_at_ms"])


def downgrade() -> None:
    """Undo it."""
    op.drop_table("caller_habits")
