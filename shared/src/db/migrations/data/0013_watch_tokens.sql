-- A token may be good for watching some topics alone, and for a time.
ALTER TABLE api_tokens ADD COLUMN watch TEXT;          -- patterns, with a space between; NULL: all that the admin may
ALTER TABLE api_tokens ADD COLUMN expires_at INTEGER;  -- NULL: when it is revoked
