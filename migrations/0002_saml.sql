-- Applications speak SAML 2.0 too, and whoever signs out is signed out everywhere.
--
-- SQLite can neither drop a CHECK nor a NOT NULL, so `apps` is built anew, and with it the tables that
-- refer to it: both engines rename the references along.

CREATE TABLE new_apps (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,
    label      TEXT NOT NULL,
    enabled    BOOLEAN NOT NULL,
    protocol   TEXT NOT NULL,
    slug       TEXT UNIQUE,
    wsfed      JSONB,
    -- JSON as text, because the first values are composed below, in words that both engines know.
    saml       TEXT,
    cloud      TEXT,
    entra_url  TEXT,
    created_at TIMESTAMPTZ NOT NULL
);

INSERT INTO new_apps (id, kind, label, enabled, protocol, slug, wsfed, saml, cloud, entra_url, created_at)
SELECT id, kind, label, enabled, 'wsfed', NULL, wsfed, NULL, cloud, entra_url, created_at FROM apps;

-- What Entra takes by SAML, at the address and for the audience that the application has by WS-Federation.
-- Neither holds a character that JSON escapes: both were URIs when they were stored.
UPDATE new_apps SET saml =
    '{"entity_id":"' || (wsfed->>'realm') ||
    '","acs":[{"url":"' || (wsfed->'replies'->>0) || '","index":0,"is_default":true}]' ||
    ',"logout":{"binding":"post","url":"' || (wsfed->'replies'->>0) || '","response_url":null}' ||
    ',"name_id":{"format":"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent","source":"immutable-id"}' ||
    ',"attributes":[{"name":"IDPEmail","name_format":null,"friendly_name":null,"source":"upn"}]' ||
    ',"sign":"assertion","signature_algorithm":"rsa-sha256","encryption_certificate":null,"encrypt":false' ||
    ',"signing_certificates":[],"signed_requests":false,"relay_state":null}'
WHERE kind = 'm365';

CREATE TABLE new_issuers (
    issuer TEXT PRIMARY KEY,
    app_id TEXT NOT NULL REFERENCES new_apps (id),
    domain TEXT UNIQUE
);
INSERT INTO new_issuers (issuer, app_id, domain) SELECT issuer, app_id, domain FROM issuers;

CREATE TABLE new_app_grants (
    app_id   TEXT NOT NULL REFERENCES new_apps (id) ON DELETE CASCADE,
    group_id UUID NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (app_id, group_id)
);
INSERT INTO new_app_grants (app_id, group_id) SELECT app_id, group_id FROM app_grants;

CREATE TABLE new_signing_keys (
    id                 UUID PRIMARY KEY,
    app_id             TEXT NOT NULL REFERENCES new_apps (id),
    stage              TEXT NOT NULL CHECK (stage IN ('next', 'current', 'retired')),
    certificate        BYTEA NOT NULL,
    sealed_private_key BYTEA NOT NULL,
    created_at         TIMESTAMPTZ NOT NULL
);
INSERT INTO new_signing_keys (id, app_id, stage, certificate, sealed_private_key, created_at)
SELECT id, app_id, stage, certificate, sealed_private_key, created_at FROM signing_keys;

DROP TABLE issuers;
DROP TABLE app_grants;
DROP TABLE signing_keys;
DROP TABLE apps;
ALTER TABLE new_apps RENAME TO apps;
ALTER TABLE new_issuers RENAME TO issuers;
ALTER TABLE new_app_grants RENAME TO app_grants;
ALTER TABLE new_signing_keys RENAME TO signing_keys;

CREATE INDEX issuers_by_app ON issuers (app_id);
CREATE INDEX app_grants_by_group ON app_grants (group_id);
CREATE INDEX signing_keys_by_app ON signing_keys (app_id);
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (app_id) WHERE stage = 'current';
CREATE UNIQUE INDEX signing_keys_one_next ON signing_keys (app_id) WHERE stage = 'next';

-- Who has a token of which session, so that signing out can tell them.
CREATE TABLE session_apps (
    session_hash   BYTEA NOT NULL REFERENCES sessions (id_hash) ON DELETE CASCADE,
    app_id         TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    protocol       TEXT NOT NULL,
    name_id_format TEXT,
    name_id        TEXT,
    session_index  TEXT,
    since          TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (session_hash, app_id, protocol)
);
CREATE INDEX session_apps_by_name ON session_apps (app_id, name_id);

-- A user's own identifier at each application. Refers to no user and is never removed: an identifier that
-- was somebody's is nobody else's, ever.
CREATE TABLE pairwise_ids (
    app_id     TEXT NOT NULL,
    user_id    UUID NOT NULL,
    value      TEXT NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (app_id, user_id)
);

-- A sign-out that visits several applications.
CREATE TABLE sign_outs (
    id_hash        BYTEA PRIMARY KEY,
    finish         TEXT NOT NULL,
    user_upn       TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    expires_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX sign_outs_by_expiry ON sign_outs (expires_at);

CREATE TABLE sign_out_steps (
    request_id     TEXT PRIMARY KEY,
    sign_out_hash  BYTEA NOT NULL REFERENCES sign_outs (id_hash) ON DELETE CASCADE,
    position       BIGINT NOT NULL,
    app_id         TEXT NOT NULL,
    protocol       TEXT NOT NULL,
    name_id_format TEXT,
    name_id        TEXT,
    session_index  TEXT,
    state          TEXT NOT NULL
);
CREATE INDEX sign_out_steps_by_sign_out ON sign_out_steps (sign_out_hash, position);
