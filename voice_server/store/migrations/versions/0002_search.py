"""Search: vectors of messages, their words, and the queue of what is not embedded yet

Triggers put every new or changed message into the queue, so who writes messages need not know of search.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQLITE = (
    """
    CREATE TABLE message_vectors (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        position INTEGER NOT NULL UNIQUE REFERENCES messages (position) ON DELETE CASCADE,
        owner VARCHAR(200) NOT NULL,
        user_id VARCHAR(200) NOT NULL,
        model VARCHAR(200) NOT NULL,
        signs BLOB NOT NULL,
        vector BLOB NOT NULL
    )
    """,
    "CREATE VIRTUAL TABLE message_words"
    " USING fts5(owner, content, content='messages', content_rowid='position')",
    "INSERT INTO message_words (message_words) VALUES ('rebuild')",
    """
    CREATE TRIGGER messages_added AFTER INSERT ON messages BEGIN
        INSERT INTO embedding_queue (position, owner) VALUES (new.position, new.owner);
        INSERT INTO message_words (rowid, owner, content) VALUES (new.position, new.owner, new.content);
    END
    """,
    """
    CREATE TRIGGER messages_changed AFTER UPDATE OF content ON messages
    WHEN old.content IS NOT new.content BEGIN
        DELETE FROM message_vectors WHERE position = new.position;
        INSERT OR IGNORE INTO embedding_queue (position, owner) VALUES (new.position, new.owner);
        INSERT INTO message_words (message_words, rowid, owner, content)
            VALUES ('delete', old.position, old.owner, old.content);
        INSERT INTO message_words (rowid, owner, content) VALUES (new.position, new.owner, new.content);
    END
    """,
    """
    CREATE TRIGGER messages_removed AFTER DELETE ON messages BEGIN
        INSERT INTO message_words (message_words, rowid, owner, content)
            VALUES ('delete', old.position, old.owner, old.content);
    END
    """,
)

_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    """
    CREATE TABLE message_vectors (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        position BIGINT NOT NULL UNIQUE REFERENCES messages (position) ON DELETE CASCADE,
        owner VARCHAR(200) NOT NULL,
        user_id VARCHAR(200) NOT NULL,
        model VARCHAR(200) NOT NULL,
        dimensions INTEGER NOT NULL,
        vector HALFVEC NOT NULL
    )
    """,
    # What is longer is searched by its beginning: PostgreSQL's list of words has an end.
    "CREATE INDEX message_words ON messages USING gin (to_tsvector('simple', left(content, 100000)))",
    """
    CREATE FUNCTION queue_message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        DELETE FROM message_vectors WHERE position = new.position;
        INSERT INTO embedding_queue (position, owner) VALUES (new.position, new.owner) ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER messages_added AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION queue_message()
    """,
    """
    CREATE TRIGGER messages_changed AFTER UPDATE OF content ON messages FOR EACH ROW
    WHEN (old.content IS DISTINCT FROM new.content) EXECUTE FUNCTION queue_message()
    """,
)


def upgrade() -> None:
    """Make it so."""
    op.create_table(
        "embedding_queue",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["position"], ["messages.position"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("embedding_queue_by_owner", "embedding_queue", ["owner", "position"])
    op.execute("INSERT INTO embedding_queue (position, owner) SELECT position, owner FROM messages")
    for statement in _SQLITE if _is_sqlite() else _POSTGRESQL:
        op.execute(statement)
    op.create_index("message_vectors_by_user", "message_vectors", ["owner", "user_id", "id"])


def downgrade() -> None:
    """Undo it. The extension stays: others may use it."""
    if _is_sqlite():
        for trigger in ("messages_added", "messages_changed", "messages_removed"):
            op.execute(f"DROP TRIGGER {trigger}")
        op.drop_table("message_words")
    else:
        for trigger in ("messages_added", "messages_changed"):
            op.execute(f"DROP TRIGGER {trigger} ON messages")
        op.execute("DROP FUNCTION queue_message")
        op.execute("DROP INDEX message_words")
    op.drop_table("message_vectors")
    op.drop_table("embedding_queue")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
