-- One table of events: what streamers deliver, what polls of them show, what Central did.
ALTER TABLE stream_event RENAME TO event;
ALTER TABLE stream_event_default RENAME TO event_default;
ALTER TABLE event RENAME COLUMN stream TO media;
ALTER TABLE event RENAME COLUMN streamer TO server;
ALTER TABLE event RENAME COLUMN detail TO body;
ALTER TABLE event ALTER COLUMN media DROP NOT NULL;
ALTER TABLE event ADD COLUMN event_id bigint;
-- A batch whose answer was lost comes again.
CREATE UNIQUE INDEX event_once ON event (server, event_id, at);

-- The order in which rows came, for pages of lists: many share their time.
CREATE SEQUENCE history_seq;
ALTER TABLE event ADD COLUMN seq bigint NOT NULL DEFAULT nextval('history_seq');
ALTER TABLE audit ADD COLUMN seq bigint NOT NULL DEFAULT nextval('history_seq');
ALTER TABLE session ADD COLUMN seq bigint NOT NULL DEFAULT nextval('history_seq');
ALTER TABLE layout_event ADD COLUMN seq bigint NOT NULL DEFAULT nextval('history_seq');
CREATE INDEX ON event (at DESC, seq DESC);
CREATE INDEX ON audit (at DESC, seq DESC);
CREATE INDEX ON session (at DESC, seq DESC);
CREATE INDEX ON layout_event (at DESC, seq DESC);
DROP INDEX stream_event_at_idx, audit_at_idx, session_at_idx, layout_event_at_idx;

-- Share of the polls of a minute in which frames arrived.
ALTER TABLE stream_sample ADD COLUMN alive real;

CREATE TABLE streamer_sample (
    at          timestamptz NOT NULL,
    streamer    text NOT NULL,
    online      real NOT NULL,
    cpu         real NOT NULL,
    memory      real NOT NULL,
    streams     real NOT NULL,
    clients     real NOT NULL,
    clients_max integer NOT NULL,
    input_kbit  real NOT NULL,
    output_kbit real NOT NULL
) PARTITION BY RANGE (at);
CREATE TABLE streamer_sample_default PARTITION OF streamer_sample DEFAULT;
CREATE INDEX ON streamer_sample (streamer, at DESC);
CREATE INDEX ON streamer_sample USING brin (at) WITH (pages_per_range = 32);

-- Roll-ups: made again as long as late rows of their hour or day may come.
CREATE TABLE stream_hour (
    at           timestamptz NOT NULL,
    stream       text NOT NULL,
    streamer     text NOT NULL,
    samples      integer NOT NULL,
    bitrate_kbit real NOT NULL,
    bitrate_max  integer NOT NULL,
    clients_avg  real NOT NULL,
    clients_max  integer NOT NULL,
    bytes_in     bigint NOT NULL,
    bytes_out    bigint NOT NULL,
    alive        real,
    PRIMARY KEY (stream, at, streamer)
) PARTITION BY RANGE (at);
CREATE TABLE stream_hour_default PARTITION OF stream_hour DEFAULT;
CREATE INDEX ON stream_hour USING brin (at) WITH (pages_per_range = 32);

CREATE TABLE stream_day (LIKE stream_hour, PRIMARY KEY (stream, at, streamer));
CREATE INDEX ON stream_day USING brin (at);

CREATE TABLE streamer_hour (
    at          timestamptz NOT NULL,
    streamer    text NOT NULL,
    samples     integer NOT NULL,
    online      real NOT NULL,
    cpu         real NOT NULL,
    memory      real NOT NULL,
    streams     real NOT NULL,
    clients     real NOT NULL,
    clients_max integer NOT NULL,
    input_kbit  real NOT NULL,
    output_kbit real NOT NULL,
    PRIMARY KEY (streamer, at)
);
CREATE TABLE streamer_day (LIKE streamer_hour, PRIMARY KEY (streamer, at));

CREATE TABLE session_day (
    at      timestamptz NOT NULL,
    stream  text NOT NULL,
    type    text NOT NULL,
    proto   text NOT NULL,
    country text NOT NULL,
    sessions bigint NOT NULL,
    seconds  bigint NOT NULL,
    bytes    bigint NOT NULL,
    PRIMARY KEY (stream, at, type, proto, country)
);
CREATE INDEX ON session_day USING brin (at);

CREATE TABLE episode (
    episode_id   bigint PRIMARY KEY,
    media        text NOT NULL,
    episode_type text NOT NULL,
    opened_at    timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    closed_at    timestamptz,
    body         jsonb NOT NULL
);
CREATE INDEX ON episode (media, opened_at);
CREATE INDEX ON episode (updated_at);
