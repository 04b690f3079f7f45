-- One text for PostgreSQL and SQLite. The types are PostgreSQL's; SQLite accepts any name.
-- Times, identifiers and JSON are always bound from Rust, and JSON columns hold objects only.

CREATE TABLE users (
    id            UUID PRIMARY KEY,
    upn           TEXT NOT NULL,
    upn_key       TEXT NOT NULL UNIQUE,
    display_name  TEXT NOT NULL,
    email         TEXT,
    given_name    TEXT,
    family_name   TEXT,
    immutable_id  TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    admin         BOOLEAN NOT NULL,
    enabled       BOOLEAN NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL
);

CREATE TABLE groups (
    id         UUID PRIMARY KEY,
    name       TEXT NOT NULL,
    name_key   TEXT NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE memberships (
    group_id UUID NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id  UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX memberships_by_user ON memberships (user_id);

CREATE TABLE apps (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('m365', 'wsfed')),
    label      TEXT NOT NULL,
    enabled    BOOLEAN NOT NULL,
    wsfed      JSONB NOT NULL,
    cloud      TEXT,
    entra_url  TEXT,
    created_at TIMESTAMPTZ NOT NULL
);

-- An issuer is one stored string per domain; a generic application has one without a domain.
CREATE TABLE issuers (
    issuer TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES apps (id),
    domain TEXT UNIQUE
);
CREATE INDEX issuers_by_app ON issuers (app_id);

CREATE TABLE app_grants (
    app_id   TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    group_id UUID NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (app_id, group_id)
);
CREATE INDEX app_grants_by_group ON app_grants (group_id);

CREATE TABLE signing_keys (
    id                 UUID PRIMARY KEY,
    app_id             TEXT NOT NULL REFERENCES apps (id),
    stage              TEXT NOT NULL CHECK (stage IN ('next', 'current', 'retired')),
    certificate        BYTEA NOT NULL,
    sealed_private_key BYTEA NOT NULL,
    created_at         TIMESTAMPTZ NOT NULL
);
CREATE INDEX signing_keys_by_app ON signing_keys (app_id);
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (app_id) WHERE stage = 'current';
CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (app_id) WHERE stage = 'next';

CREATE TABLE sessions (
    id_hash          BYTEA PRIMARY KEY,
    user_id          UUID NOT NULL REFERENCES users (id),
    method           TEXT NOT NULL,
    authenticated_at TIMESTAMPTZ NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    last_seen_at     TIMESTAMPTZ NOT NULL,
    expires_at       TIMESTAMPTZ NOT NULL,
    source           TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE sign_in_attempts (
    id_hash        BYTEA PRIMARY KEY,
    target         TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    expires_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX sign_in_attempts_by_expiry ON sign_in_attempts (expires_at);

CREATE TABLE throttles (
    key             TEXT PRIMARY KEY,
    failures        BIGINT NOT NULL,
    last_failure_at TIMESTAMPTZ NOT NULL,
    locked_until    TIMESTAMPTZ
);
CREATE INDEX throttles_by_last_failure ON throttles (last_failure_at);

CREATE TABLE familiar_sources (
    user_id         UUID NOT NULL REFERENCES users (id),
    source          TEXT NOT NULL,
    last_success_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, source)
);
CREATE INDEX familiar_sources_by_last_success ON familiar_sources (last_success_at);

-- Refers to nothing: the audit outlives what it tells about.
CREATE TABLE audit (
    id             UUID PRIMARY KEY,
    at             TIMESTAMPTZ NOT NULL,
    event          TEXT NOT NULL,
    user_upn       TEXT,
    app_id         TEXT,
    source         TEXT,
    correlation_id TEXT,
    details        JSONB NOT NULL
);
CREATE INDEX audit_by_time ON audit (at, id);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE one_time_links (
    token_hash BYTEA PRIMARY KEY,
    purpose    TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX one_time_links_by_expiry ON one_time_links (expires_at);
