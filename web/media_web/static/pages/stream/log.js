// What happened to a stream, newest first: its placements and what its streamers told of it.

import { html, useState } from "../../vendor/htm-preact.js";
import { item } from "../../api.js";
import { usePolled } from "../../hooks.js";
import { moment, t, told } from "../../i18n.js";
import { Failure, bytes } from "../../widgets.js";

const POLL_MS = 5000; // history is written in batches of a second; nothing here is urgent
const LIMIT = 200; // rows that a page still shows well

const REASONS = { not_distributed: "it ran nowhere" }; // the API's word tells people nothing

/** source_lost -> Source lost */
const spoken = (word) => (word || "").replaceAll("_", " ");
const headed = (word) => spoken(word).replace(/^./, (letter) => letter.toUpperCase());

/** What an event says beside its name, in words. */
function details({ reason, error, proto, ip, url, bytes: sent, event }) {
  const viewer = event?.startsWith("play_") || event?.startsWith("publish_");
  const parts = [told(reason || error), viewer && [proto, ip].filter(Boolean).join(" "), event === "play_closed" && bytes(sent), !viewer && url];
  return parts.filter(Boolean).join(", ");
}

const ofEvent = (event) => ({
  at: event.utc_ms, what: t(headed(event.event)), repeats: /^source_(opened|closed)$/.test(event.event), server: event.server, why: details(event),
  viewers: /^play_/.test(event.event), bad: /lost|error|refused|denied|crashed/.test(event.event) || event.loglevel === "error",
});

const ofLayout = ({ created_at: at, ingest, change_reason: reason, message }) => ({
  at, what: t(ingest ? "Placed" : "Placed nowhere"), server: ingest, why: told(message) || t(REASONS[reason] || spoken(reason)), viewers: false, bad: !ingest,
});

/** A source that fails again and again is a row for each of its failures, not for each attempt; newest first. */
export function folded(rows) {
  const found = [];
  let run = new Map();
  for (const row of rows) {
    if (!row.repeats) run = new Map();
    const key = `${row.what} ${row.why} ${row.server}`;
    const same = run.get(key);
    if (same) Object.assign(same, { count: same.count + 1, since: row.at });
    else {
      found.push({ ...row, count: 1 });
      if (row.repeats) run.set(key, found.at(-1));
    }
  }
  return found;
}

export function Log({ stream }) {
  const [all, setAll] = useState(false);
  const path = item("streams", stream.name);
  const events = usePolled(`${path}/events?limit=${LIMIT}`, POLL_MS);
  const layouts = usePolled(`${path}/layouts`, POLL_MS);
  const rows = [...(events.data?.events || []).map(ofEvent), ...(layouts.data?.layouts || []).map(ofLayout)]
    .filter((row) => all || !row.viewers)
    .sort((one, other) => other.at - one.at);
  const shown = folded(rows).slice(0, LIMIT);
  const loaded = events.data && layouts.data;
  return html`<label class="check"><input type="checkbox" checked=${all} onChange=${(event) => setAll(event.target.checked)} />${t("Viewers that come and go, too")}</label>
    <${Failure} error=${events.error || layouts.error} />
    ${loaded && !rows.length && html`<p class="empty">${t("Nothing happened yet.")}</p>`}
    ${rows.length > 0 && html`<table class="list">
      <thead><tr><th>${t("Time")}</th><th>${t("Event")}</th><th class="wide">${t("Streamer")}</th><th>${t("Why")}</th></tr></thead>
      <tbody>${shown.map(({ at, what, server, why, bad, count, since }, index) => html`<tr key=${index}>
        <td><time datetime=${new Date(at).toISOString()}>${moment(at)}</time></td>
        <td class=${bad ? "failure" : ""}>${what}${count > 1 && html`<small>${t("{count} times since {moment}", { count, moment: moment(since) })}</small>`}</td><td class="wide">${server || "–"}</td><td class="url">${why || "–"}</td>
      </tr>`)}</tbody>
    </table>`}`;
}
