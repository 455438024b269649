// What a stream does now: the picture, what comes in, what goes out, and its history.
//
// Opening this page starts nothing and counts as nobody: the player is made when play is pressed.

import { html, useState } from "../../vendor/htm-preact.js";
import { item } from "../../api.js";
import { t, told } from "../../i18n.js";
import { bytes, kbit, uptime } from "../../widgets.js";
import { BitrateChart } from "../../chart.js";
import { History, UNITS, keepsHistory } from "../history.js";
import { Incoming } from "./incoming.js";
import { Renditions, Screen } from "./screen.js";
import { Viewers } from "./viewers.js";

const CHARTS = [
  { title: "Bit rate", unit: UNITS.kbit, series: [{ key: "bitrate", title: "mean" }, { key: "bitrate_max", title: "highest minute" }] },
  { title: "Viewers", unit: UNITS.count, series: [{ key: "clients", title: "mean" }, { key: "clients_max", title: "most" }] },
];

export function Overview({ stream, ui }) {
  const stats = stream.stats || {};
  return html`<div class="overview">
    <div>
      <${Screen} key=${stream.name} stream=${stream} ui=${ui} />
      <${Renditions} stream=${stream} />
      ${!stream.disabled && html`<h2>${t("Bit rate, Mbit/s")}</h2>
      <${BitrateChart} value=${stats.alive ? stats.bitrate : null} />`}
    </div>
    <div class="facts">
      <dl>
        <dt>${t("Name")}</dt><dd>${stream.name}</dd>
        <dt>${t("Streamer")}</dt><dd>${stream.layout?.ingest || stats.running_on?.join(", ") || "–"}</dd>
        <dt>${t("Up")}</dt><dd>${uptime(stats)}</dd>
        ${stats.source_error && html`<dt>${t("Problem")}</dt><dd class="failure">${told(stats.source_error)}</dd>`}
      </dl>
      <${Incoming} stream=${stream} />
      <h2>${t("What goes out")}</h2>
      <dl>
        <dt>${t("Viewers")}</dt><dd>${stats.online_clients ?? stats.client_count ?? 0}</dd>
        <dt>${t("Rate")}</dt><dd>${kbit(stats.out_bandwidth)}</dd>
        <dt>${t("Sent")}</dt><dd>${bytes(stats.bytes_out)}</dd>
      </dl>
    </div>
  </div>
  <${Viewers} stream=${stream} ui=${ui} />
  ${keepsHistory(ui) && html`<${History} path="/history${item("streams", stream.name)}" charts=${CHARTS} />`}`;
}
