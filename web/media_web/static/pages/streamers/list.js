// Streamers as Central sees them: load and health of each and of all, and the way to connect one.

import { html, useState } from "../../vendor/htm-preact.js";
import { exists, item, put } from "../../api.js";
import { link, usePolled } from "../../hooks.js";
import { t } from "../../i18n.js";
import { Dialog, Failure, Field, kbit } from "../../widgets.js";
import { History, UNITS } from "../history.js";
import { Health, Meter, seconds } from "./health.js";

const CHARTS = [
  { title: "Traffic", unit: UNITS.kbit, series: [{ key: "output_kbit", title: "out" }, { key: "input_kbit", title: "in" }] },
  { title: "Viewers", unit: UNITS.count, series: [{ key: "clients", title: "mean" }, { key: "clients_max", title: "most" }] },
  { title: "Streams and streamers", unit: UNITS.count, series: [{ key: "streams", title: "streams" }, { key: "online", title: "streamers" }] },
];

export function Streamers({ ui }) {
  const [adding, setAdding] = useState(false);
  const { data, error, reload } = usePolled("/streamers?limit=1000");
  const sum = (key) => data.streamers.reduce((total, { stats }) => total + (stats?.[key] || 0), 0);
  return html`<header class="bar">
      <h1>${t("Streamers")}</h1>
      ${data && html`<span>${t("{streams} streams run, {viewers} viewers, {out} out", { streams: sum("online_streams"), viewers: sum("total_clients"), out: kbit(sum("output_kbit")) })}</span>`}
      ${!ui.readsOnly && html`<button type="button" onClick=${() => setAdding(true)}>${t("Add streamer")}</button>`}
    </header>
    <${Failure} error=${error} />
    ${data && html`<table class="list ${error ? "stale" : ""}">
      <thead><tr><th>${t("Streamer")}</th><th>${t("Health")}</th><th class="number">${t("Streams")}</th><th class="number wide">${t("Viewers")}</th>
        <th class="number wide">${t("In")}</th><th class="number">${t("Out")}</th><th class="wide">${t("CPU")}</th><th class="wide">${t("Memory")}</th><th class="number wide">${t("Up")}</th></tr></thead>
      <tbody>${data.streamers.map((streamer) => html`<${Row} key=${streamer.hostname} streamer=${streamer} />`)}</tbody>
    </table>
    ${!data.streamers.length && html`<p class="empty">${t("No streamer yet. Connect the first one.")}</p>`}
    <${History} path="/history/cluster" charts=${CHARTS} />`}
    ${adding && html`<${AddStreamer} onClose=${() => { setAdding(false); reload(); }} />`}`;
}

function Row({ streamer }) {
  const stats = streamer.stats || {};
  const alerts = Object.keys(stats.text_alerts || {}).length;
  return html`<tr>
    <td class="name"><a href=${link("streamers", streamer.hostname)}>${streamer.hostname}</a>${alerts > 0 && html`<small class="failure">${t("{count} alerts", { count: alerts })}</small>`}</td>
    <td><${Health} streamer=${streamer} /></td>
    <td class="number">${streamer.stream_count}</td>
    <td class="number wide">${stats.total_clients ?? "–"}</td>
    <td class="number wide">${kbit(stats.input_kbit)}</td>
    <td class="number">${kbit(stats.output_kbit)}</td>
    <td class="wide"><${Meter} value=${stats.cpu_usage} label=${t("CPU")} /></td>
    <td class="wide"><${Meter} value=${stats.memory_usage} label=${t("Memory")} /></td>
    <td class="number wide">${seconds(stats.uptime)}</td>
  </tr>`;
}

function AddStreamer({ onClose }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const hostname = new FormData(event.target).get("hostname").trim();
    try {
      // PUT merges: a hostname that is known already would only seem to be added.
      if (await exists("streamers", "hostname", hostname)) throw new Error(t("{hostname} is connected already.", { hostname }));
      await put(item("streamers", hostname), { hostname });
      location.hash = `${link("streamers", hostname)}?tab=settings`;
      onClose();
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Dialog} title=${t("Add streamer")} onClose=${onClose}>
    <form onSubmit=${submit}>
      <${Field} label=${t("New streamer hostname")}><input name="hostname" required autocomplete="off" autofocus /><//>
      <${Failure} error=${error} />
      <div class="bar end">
        <button type="button" class="plain" onClick=${onClose}>${t("Cancel")}</button>
        <button>${t("Save")}</button>
      </div>
    </form>
  <//>`;
}
