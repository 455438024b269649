// A streamer by itself: load, disks, GPUs and alerts of this server.

import { html } from "../vendor/htm-preact.js";
import { usePolled } from "../hooks.js";
import { t } from "../i18n.js";
import { Failure, kbit } from "../widgets.js";
import { History, keepsHistory } from "./history.js";
import { serverCharts } from "./streamers/charts.js";
import { Alerts, Devices, Disks, Meter, seconds } from "./streamers/health.js";

const CHARTS = serverCharts("online_streams");

export function Server({ ui }) {
  const { data: stats, error } = usePolled("/config/stats");
  return html`<header class="bar"><h1>${t("Server")}</h1></header>
    <${Failure} error=${error} />
    ${stats && html`<div class="overview ${error ? "stale" : ""}">
      <div><${Alerts} stats=${stats} /><${Devices} devices=${stats.transcoder_devices} /></div>
      <dl>
        <dt>${t("Version")}</dt><dd>${stats.server_version || "–"}</dd>
        <dt>${t("Up")}</dt><dd>${seconds(stats.uptime)}</dd>
        <dt>${t("Streams")}</dt><dd>${t("{count} running", { count: stats.online_streams ?? 0 })}</dd>
        <dt>${t("Viewers")}</dt><dd>${stats.total_clients ?? "–"}</dd>
        <dt>${t("In")}</dt><dd>${kbit(stats.input_kbit)}</dd>
        <dt>${t("Out")}</dt><dd>${kbit(stats.output_kbit)}</dd>
        <dt>${t("CPU")}</dt><dd><${Meter} value=${stats.cpu_usage} label=${t("CPU")} /></dd>
        <dt>${t("Memory")}</dt><dd><${Meter} value=${stats.memory_usage} label=${t("Memory")} /></dd>
      </dl>
      <${Disks} partitions=${stats.partitions} />
    </div>`}
    ${keepsHistory(ui)
      ? html`<${History} path="/history/server" charts=${CHARTS} />`
      : html`<p class="empty">${t("History is kept where the configuration has “pulsedb /DIRECTORY;”.")}</p>`}`;
}
