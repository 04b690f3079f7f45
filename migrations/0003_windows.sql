-- Some clients of WS-Trust send a failed request once more, byte for byte: it is counted once.
ALTER TABLE throttles ADD COLUMN last_request BYTEA;
