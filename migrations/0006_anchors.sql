-- An ImmutableID is written once: from when it is out in the world, and what Entra has instead.
ALTER TABLE users ADD COLUMN anchor_source TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE users ADD COLUMN anchor_used_at TIMESTAMPTZ;
ALTER TABLE users ADD COLUMN anchor_used_by TEXT;
ALTER TABLE users ADD COLUMN entra_anchor TEXT;
ALTER TABLE users ADD COLUMN entra_seen_at TIMESTAMPTZ;

-- No ImmutableID has changed before this: whoever has had a token has had this one in it, or may have.
UPDATE users SET anchor_used_at = first.at, anchor_used_by = 'token'
FROM (SELECT user_upn, MIN(at) AS at FROM audit WHERE event = 'token.issued' GROUP BY user_upn) AS first
WHERE first.user_upn = users.upn;
