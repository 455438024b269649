-- Who changed what. Kept longer than the rest of the history; partitions as there.
CREATE TABLE audit (
    at          timestamptz NOT NULL,
    originator  text NOT NULL,
    role        text NOT NULL,
    ip          text NOT NULL,
    method      text NOT NULL,
    path        text NOT NULL,
    entity_type text NOT NULL,
    entity_id   text NOT NULL,
    before      jsonb,
    after       jsonb
) PARTITION BY RANGE (at);
CREATE TABLE audit_default PARTITION OF audit DEFAULT;
CREATE INDEX ON audit (entity_type, entity_id, at DESC);
CREATE INDEX ON audit USING brin (at) WITH (pages_per_range = 32);
