// Streams as rows.

import { html } from "../../vendor/htm-preact.js";
import { link } from "../../hooks.js";
import { t } from "../../i18n.js";
import { masked } from "../../redact.js";
import { StreamState, kbit, uptime } from "../../widgets.js";

/** Where a streamer has a stream from, in words. */
const ORIGINS = { external: "Central", config: "file", user: "template", remote: "remote" };

/** A box that adds `name` to what is chosen or takes it out. */
export function Pick({ name, chosen, onChoose }) {
  const turn = (event) => {
    const next = new Set(chosen);
    if (event.target.checked) next.add(name);
    else next.delete(name);
    onChoose(next);
  };
  return html`<input type="checkbox" aria-label=${t("Choose {name}", { name })} checked=${chosen.has(name)} onChange=${turn} />`;
}

export function List({ streams, central, chosen, onChoose, fixed }) {
  const all = streams.every(({ name }) => chosen.has(name));
  const turnAll = () => onChoose(new Set(all ? [] : [...chosen, ...streams.map(({ name }) => name)]));
  return html`<table class="list">
    <thead><tr>
      ${!fixed && html`<th class="pick"><input type="checkbox" aria-label=${t("Choose all of this page")} checked=${all} onChange=${turnAll} /></th>`}
      <th>${t("Stream")}</th><th>${t("State")}</th><th class="wide">${t("Source")}</th><th class="wide">${central ? t("Streamer") : t("From")}</th>
      <th class="number wide">${t("Viewers")}</th><th class="number wide">${t("Bit rate")}</th><th class="number wide">${t("Up")}</th>
    </tr></thead>
    <tbody>${streams.map((stream) => html`<${Row} key=${stream.name} ...${{ stream, central, chosen, onChoose, fixed }} />`)}</tbody>
  </table>`;
}

/** Title and labels, on one line. */
function Words({ stream: { title, labels } }) {
  const words = [title, ...Object.entries(labels || {}).map(([key, value]) => `${key}=${value}`)].filter(Boolean);
  return words.length > 0 && html`<small>${words.join(" · ")}</small>`;
}

function Row({ stream, central, chosen, onChoose, fixed }) {
  const stats = stream.stats || {};
  const origin = central ? stream.layout?.ingest : ORIGINS[stream.named_by];
  return html`<tr>
    ${!fixed && html`<td class="pick"><${Pick} name=${stream.name} chosen=${chosen} onChoose=${onChoose} /></td>`}
    <td class="name"><a href=${link("streams", stream.name)}>${stream.name}</a><${Words} stream=${stream} /></td>
    <td><${StreamState} stream=${stream} />${stats.alive && html`<small class="narrow">${kbit(stats.bitrate)}</small>`}</td>
    <td class="wide url">${(stream.inputs || []).map((input) => masked(input.url)).join(", ") || "–"}</td>
    <td class="wide">${origin || "–"}</td>
    <td class="number wide">${stats.online_clients ?? stats.client_count ?? 0}</td>
    <td class="number wide">${stats.alive ? kbit(stats.bitrate) : "–"}</td>
    <td class="number wide">${uptime(stats)}</td>
  </tr>`;
}
