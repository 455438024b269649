-- Streams and streamers as they were declared, and where each stream runs.
-- `version` grows with every change of any row, so that a reader can tell old from new.
CREATE SEQUENCE resource_version;

CREATE TABLE streams (
    name       text PRIMARY KEY,
    config     jsonb NOT NULL,
    layout     jsonb,
    version    bigint NOT NULL DEFAULT nextval('resource_version'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE streamers (
    name       text PRIMARY KEY,
    config     jsonb NOT NULL,
    layout     jsonb,
    version    bigint NOT NULL DEFAULT nextval('resource_version'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Every Central keeps a copy in memory and is told which rows to read again. The payload is only
-- the key: it is bounded by 8000 bytes.
CREATE FUNCTION notify_resource() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('central_resources',
        TG_TABLE_NAME || ':' || CASE TG_OP WHEN 'DELETE' THEN OLD.name ELSE NEW.name END);
    RETURN NULL;
END
$$;

CREATE TRIGGER streams_notify AFTER INSERT OR UPDATE OR DELETE ON streams
    FOR EACH ROW EXECUTE FUNCTION notify_resource();
CREATE TRIGGER streamers_notify AFTER INSERT OR UPDATE OR DELETE ON streamers
    FOR EACH ROW EXECUTE FUNCTION notify_resource();

-- Single values of this installation, such as its id.
CREATE TABLE central_state (
    name  text PRIMARY KEY,
    value text NOT NULL
);
