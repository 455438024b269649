// What happened to a stream, newest first: its placements and what its streamers told of it.

import { html } from "../../vendor/htm-preact.js";
import { item } from "../../api.js";
import { usePolled } from "../../hooks.js";
import { Failure } from "../../widgets.js";

const POLL_MS = 5000; // history is written in batches of a second; nothing here is urgent
const LIMIT = 200; // rows that a page still shows well

const WORDS = {
  stream_opened: "Stream opened",
  stream_closed: "Stream closed",
  source_opened: "Source opened",
  source_started: "Source started",
  source_lost: "Source lost",
  source_closed: "Source closed",
};

const REASONS = { not_distributed: "it ran nowhere" }; // the API's word tells people nothing

/** source_lost -> source lost */
const spoken = (word) => (word || "").replaceAll("_", " ");

const ofEvent = ({ utc_ms: at, event, server, reason }) => ({
  at,
  what: WORDS[event] || spoken(event),
  server,
  why: reason || "",
});

const ofLayout = ({ created_at: at, ingest, change_reason: reason, message }) => ({
  at,
  what: ingest ? "Placed" : "Placed nowhere",
  server: ingest,
  why: message || REASONS[reason] || spoken(reason),
});

export function Log({ stream }) {
  const path = item("streams", stream.name);
  const events = usePolled(`${path}/events`, POLL_MS);
  const layouts = usePolled(`${path}/layouts`, POLL_MS);
  const rows = [...(events.data?.events || []).map(ofEvent), ...(layouts.data?.layouts || []).map(ofLayout)]
    .sort((one, other) => other.at - one.at)
    .slice(0, LIMIT);
  const loaded = events.data && layouts.data;
  return html`<${Failure} error=${events.error || layouts.error} />
    ${loaded && !rows.length && html`<p class="empty">Nothing happened yet.</p>`}
    ${rows.length > 0 && html`<table class="list">
      <thead><tr><th>Time</th><th>Event</th><th class="wide">Streamer</th><th>Why</th></tr></thead>
      <tbody>${rows.map(({ at, what, server, why }, index) => html`<tr key=${index}>
        <td><time datetime=${new Date(at).toISOString()}>${new Date(at).toLocaleString()}</time></td>
        <td>${what}</td><td class="wide">${server || "–"}</td><td>${why || "–"}</td>
      </tr>`)}</tbody>
    </table>`}`;
}
