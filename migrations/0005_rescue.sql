-- Of each application the rescue pack that somebody fetched last, or has said to be stored.
CREATE TABLE rescue_packs (
    app_id    TEXT PRIMARY KEY REFERENCES apps (id) ON DELETE CASCADE,
    version   TEXT NOT NULL,
    stored_by TEXT,
    stored_at TIMESTAMPTZ NOT NULL
);
