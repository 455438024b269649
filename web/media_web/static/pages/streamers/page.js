// One streamer: how it is now and was, which streams it runs, and its settings.

import { html, useState } from "../../vendor/htm-preact.js";
import { item, put } from "../../api.js";
import { link, tabOf, usePolled } from "../../hooks.js";
import { t, told } from "../../i18n.js";
import { Failure, StatusDot, Tabs, kbit } from "../../widgets.js";
import { History } from "../history.js";
import { serverCharts } from "./charts.js";
import { Alerts, Devices, Disks, Health, Meter, seconds } from "./health.js";
import { Settings } from "./settings.js";

const TABS = { overview: "Overview", settings: "Settings" };
const CHARTS = serverCharts("streams");

export function StreamerPage({ name: hostname, route, ui }) {
  const tabs = ui.readsOnly ? { overview: TABS.overview } : TABS;
  const { data: streamer, error, reload } = usePolled(item("streamers", hostname));
  if (!streamer && error?.status === 404) return html`<h1>${hostname}</h1><p class="empty">${t("There is no streamer of this name.")} <a href=${link("streamers")}>${t("All streamers")}</a></p>`;
  if (!streamer) return html`<h1>${hostname}</h1><${Failure} error=${error} />`;
  const tab = tabOf(route, tabs);
  return html`<header class="bar"><h1>${hostname}</h1><${Health} streamer=${streamer} />${!ui.readsOnly && html`<${Drain} streamer=${streamer} onDone=${reload} />`}</header>
    <${Failure} error=${error} />
    <${Tabs} tabs=${tabs} current=${tab} base=${link("streamers", hostname)} />
    <section class=${error ? "stale" : ""}>
      ${tab === "overview" ? html`<${Overview} streamer=${streamer} />` : html`<${Settings} streamer=${streamer} onDone=${reload} />`}
    </section>`;
}

/** A streamer that is drained gives its streams to others and gets no new ones. */
function Drain({ streamer, onDone }) {
  const [error, setError] = useState(null);
  const turn = async () => {
    if (!streamer.draining && !confirm(t("Drain {name}? Its streams move to others.", { name: streamer.hostname }))) return;
    try {
      await put(item("streamers", streamer.hostname), { draining: !streamer.draining });
      setError(null);
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<span class="actions"><button type="button" class="plain" onClick=${turn}>${streamer.draining ? t("Take it back into service") : t("Drain")}</button></span>
    <${Failure} error=${error} />`;
}

const CHECKS = {
  reachable: "API answers",
  running: "Server is running",
  config_ok: "Configuration is sound",
  config_external_ok: "Takes its streams from Central",
  valid_cluster_key: "Cluster key is right",
  time_synchronized: "Clocks agree",
};

function Overview({ streamer }) {
  const stats = streamer.stats || {};
  return html`<div class="overview">
    <div>
      <h2>${t("Health")}</h2>
      <${Checks} status=${streamer.healthcheck_status} />
      <${Alerts} stats=${stats} />
      <${Devices} devices=${stats.transcoder_devices} />
    </div>
    <dl>
      <dt>${t("Address")}</dt><dd class="url">${streamer.public_payload_url || streamer.api_url || `http://${streamer.hostname}`}</dd>
      <dt>${t("Version")}</dt><dd>${stats.server_version || "–"}</dd>
      <dt>${t("Up")}</dt><dd>${seconds(stats.uptime)}</dd>
      <dt>${t("Streams")}</dt><dd><a href="${link("media")}?streamer=${encodeURIComponent(streamer.hostname)}">${t("{count} placed", { count: streamer.stream_count })}</a>, ${t("{count} running", { count: stats.online_streams ?? 0 })}</dd>
      <dt>${t("Viewers")}</dt><dd>${stats.total_clients ?? "–"}</dd>
      <dt>${t("In")}</dt><dd>${kbit(stats.input_kbit)}</dd>
      <dt>${t("Out")}</dt><dd>${kbit(stats.output_kbit)}</dd>
      <dt>${t("CPU")}</dt><dd><${Meter} value=${stats.cpu_usage} label=${t("CPU")} /></dd>
      <dt>${t("Memory")}</dt><dd><${Meter} value=${stats.memory_usage} label=${t("Memory")} /></dd>
    </dl>
    <${Disks} partitions=${stats.partitions} />
  </div>
  <${History} path="/history${item("streamers", streamer.hostname)}" charts=${CHARTS} />`;
}

function Checks({ status }) {
  if (!status) return html`<p class="empty">${t("Not checked yet.")}</p>`;
  const problems = Object.fromEntries((status.checks.errors_details || []).map(({ rule, error }) => [rule, error]));
  return html`<ul class="checks">
    ${Object.entries(CHECKS)
      .filter(([rule]) => rule in status.checks)
      .map(([rule, title]) => html`<${Check} key=${rule} title=${t(title)} passed=${status.checks[rule]} problem=${problems[rule]} />`)}
  </ul>`;
}

function Check({ title, passed, problem }) {
  const word = passed ? t("passed") : t("failed");
  return html`<li>
    <${StatusDot} status=${passed ? "ok" : "error"} title=${word} />${title}
    ${!passed && html`<small class="failure">${told(problem) || word}</small>`}
  </li>`;
}
