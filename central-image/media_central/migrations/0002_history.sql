-- History. The day partitions are made and dropped by the program (history/partitions.py); rows
-- of a day that has none yet go to the default partition and are never lost.
CREATE TABLE stream_event (
    at       timestamptz NOT NULL,
    stream   text NOT NULL,
    streamer text,
    event    text NOT NULL,
    detail   jsonb NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (at);
CREATE TABLE stream_event_default PARTITION OF stream_event DEFAULT;
CREATE INDEX ON stream_event (stream, at DESC);
CREATE INDEX ON stream_event USING brin (at) WITH (pages_per_range = 32);

CREATE TABLE layout_event (
    at       timestamptz NOT NULL,
    stream   text NOT NULL,
    layout   jsonb NOT NULL
) PARTITION BY RANGE (at);
CREATE TABLE layout_event_default PARTITION OF layout_event DEFAULT;
CREATE INDEX ON layout_event (stream, at DESC);
CREATE INDEX ON layout_event USING brin (at) WITH (pages_per_range = 32);

CREATE TABLE session (
    at         timestamptz NOT NULL,
    id         text NOT NULL,
    streamer   text NOT NULL,
    stream     text NOT NULL,
    type       text NOT NULL,
    proto      text,
    ip         text,
    opened_at  timestamptz NOT NULL,
    closed_at  timestamptz NOT NULL,
    bytes      bigint NOT NULL,
    country    text,
    user_agent text
) PARTITION BY RANGE (at);
CREATE TABLE session_default PARTITION OF session DEFAULT;
CREATE INDEX ON session (stream, at DESC);
CREATE INDEX ON session USING brin (at) WITH (pages_per_range = 32);

CREATE TABLE stream_sample (
    at           timestamptz NOT NULL,
    stream       text NOT NULL,
    streamer     text NOT NULL,
    status       text NOT NULL,
    bitrate_kbit integer NOT NULL,
    clients_avg  real NOT NULL,
    clients_max  integer NOT NULL,
    bytes_in     bigint NOT NULL,
    bytes_out    bigint NOT NULL
) PARTITION BY RANGE (at);
CREATE TABLE stream_sample_default PARTITION OF stream_sample DEFAULT;
CREATE INDEX ON stream_sample (stream, at DESC);
CREATE INDEX ON stream_sample USING brin (at) WITH (pages_per_range = 32);
