-- The last batch that each writer has written to each table of history: it counts its batches, and
-- tries one until it is written, so one that comes again is known. A writer is one start of one
-- Central.
CREATE TABLE history_writer (
    writer uuid NOT NULL,
    history text NOT NULL,
    batch bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (writer, history)
);
