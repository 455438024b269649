-- The batches of history that were written, by a number that Central gives each: a batch whose
-- answer was lost comes again, and is known. Of a day; the rows go with those of the batch.
CREATE TABLE history_batch (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);
