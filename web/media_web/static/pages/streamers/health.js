// How a streamer is, in one word and one colour; pieces that its pages share.

import { html } from "../../vendor/htm-preact.js";
import { t, told } from "../../i18n.js";
import { StatusDot, bytes, duration } from "../../widgets.js";

export const percent = (value) => (value == null ? "–" : `${Math.round(value)} %`);
export const seconds = (value) => (value == null ? "–" : duration(value * 1000));

const health = (streamer) => {
  const check = streamer.healthcheck_status;
  if (check?.status === "ok") return { status: "ok", text: t("healthy") };
  if (check?.status === "error") return { status: "error", text: t("not healthy") };
  return streamer.stats ? { status: "ok", text: t("online") } : { status: "waiting", text: t("not connected") };
};

export function Health({ streamer }) {
  const { status, text } = health(streamer);
  return html`<span class="state"><${StatusDot} status=${status} title=${text} />${text}${streamer.draining && html` <span class="chip">${t("draining")}</span>`}</span>`;
}

/** Load from which on a bar is shown as a problem. */
const HIGH = 90;

export function Meter({ value, label }) {
  if (value == null) return "–";
  const shown = Math.min(100, Math.max(0, value));
  return html`<span class="meter"><progress max="100" value=${shown} class=${value >= HIGH ? "high" : ""} aria-label=${label}></progress> ${percent(value)}</span>`;
}

/** What the server itself complains of, in words. */
export function Alerts({ stats }) {
  return Object.entries(stats?.text_alerts || {}).map(([key, text]) => html`<p key=${key} class="banner">${told(text)}</p>`);
}

/** GPUs, now. */
export function Devices({ devices }) {
  if (!devices?.length) return null;
  return html`<h2>${t("GPUs")}</h2><table class="list">
    <thead><tr><th>${t("Device")}</th><th>${t("Cores")}</th><th>${t("Encoder")}</th><th>${t("Decoder")}</th><th class="number wide">${t("Temperature")}</th><th class="number wide">${t("Power")}</th></tr></thead>
    <tbody>${devices.map((device, index) => html`<tr key=${index}>
      <td>${device.name || `${device.type} ${device.id ?? index}`}</td>
      <td><${Meter} value=${device.gpu_sm} label=${t("Cores")} /></td><td><${Meter} value=${device.gpu_enc} label=${t("Encoder")} /></td>
      <td><${Meter} value=${device.gpu_dec} label=${t("Decoder")} /></td>
      <td class="number wide">${device.gpu_temp == null ? "–" : `${device.gpu_temp} °C`}</td><td class="number wide">${device.gpu_power == null ? "–" : `${device.gpu_power} W`}</td>
    </tr>`)}</tbody>
  </table>`;
}

export function Disks({ partitions }) {
  if (!partitions?.length) return null;
  return html`<div class="whole"><h2>${t("Disks")}</h2><table class="list disks">
    <thead><tr><th>${t("Path")}</th><th>${t("Used")}</th><th class="number">${t("Size")}</th><th class="number wide">${t("Writing")}</th><th class="wide">${t("Busy")}</th><th class="number wide">${t("Archives")}</th><th class="number wide">${t("Depth")}</th></tr></thead>
    <tbody>${partitions.map(({ path, usage, total_mb: size, dvr_bytes: held, dvr_depth: depth, write_bytes_per_second: rate, io_util: busy, error }) => html`<tr key=${path}>
      <td class="url">${path}${error && html`<p class="hint">${told(error)}</p>`}</td><td><${Meter} value=${usage} label=${path} /></td><td class="number">${size == null ? "–" : `${Math.round(size / 1024)} GiB`}</td>
      <td class="number wide">${rate == null ? "–" : `${bytes(rate)}/s`}</td><td class="wide"><${Meter} value=${busy} label=${t("Busy")} /></td>
      <td class="number wide">${held == null ? "–" : bytes(held)}</td><td class="number wide">${depth ? seconds(depth) : "–"}</td>
    </tr>`)}</tbody>
  </table></div>`;
}
