-- What the rules ask of the other comments is found, not searched: who wrote
-- them, which visitor sent them, and how their text begins.
CREATE INDEX comments_by_author ON comments (author, email);
CREATE INDEX comments_by_visitor ON comments (visitor, created_at);
CREATE INDEX comments_by_text ON comments (substr(body, 1, 64), created_at);
