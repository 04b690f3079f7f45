-- A signing key is replaced without anybody noticing: what is known about it on the way.
-- `known_at`, `known_by`: since when, and by what, it is on record that the other side has the certificate.
-- `replaced_at`: when it stopped signing. `withdrawn_at`: when it left the metadata, its private key deleted.
ALTER TABLE signing_keys ADD COLUMN known_at TIMESTAMPTZ;
ALTER TABLE signing_keys ADD COLUMN known_by TEXT;
ALTER TABLE signing_keys ADD COLUMN replaced_at TIMESTAMPTZ;
ALTER TABLE signing_keys ADD COLUMN withdrawn_at TIMESTAMPTZ;
