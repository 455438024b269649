// Where a stream is sent to, and how that goes.

import { html, useState } from "../../vendor/htm-preact.js";
import { item, put } from "../../api.js";
import { link } from "../../hooks.js";
import { t, told } from "../../i18n.js";
import { masked } from "../../redact.js";
import { Failure, StatusDot, bytes, duration } from "../../widgets.js";

const DOTS = { running: "ok", error: "error", stalling: "error", retry: "error" };

function stateOf(push) {
  if (push.disabled) return { dot: "disabled", text: t("switched off") };
  const status = push.stats?.status;
  return { dot: DOTS[status] || "waiting", text: (status !== "running" && told(push.stats?.error)) || t(status || "starting") };
}

export function Push({ stream, fixed, onDone }) {
  const [error, setError] = useState(null);
  const pushes = stream.pushes || [];
  const saved = stream.config_on_disk?.pushes || [];
  const turn = async (at) => {
    try {
      await put(item("streams", stream.name), { pushes: saved.map((push, index) => (index === at ? { ...push, disabled: !push.disabled } : push)) });
      setError(null);
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  const settings = `${link("streams", stream.name)}?tab=settings&group=push`;
  return html`<${Failure} error=${error} />
    ${!pushes.length && html`<p class="empty">${t("This stream is pushed nowhere.")} ${!fixed && html`<a href=${settings}>${t("Add a target in the settings")}</a>`}</p>`}
    ${pushes.length > 0 && html`<table class="list stacked">
      <thead><tr><th>${t("Target")}</th><th>${t("State")}</th><th class="number">${t("Sent")}</th><th class="number wide">${t("Attempts")}</th>
        <th class="number wide">${t("For")}</th><th><span class="unseen">${t("Actions")}</span></th></tr></thead>
      <tbody>${pushes.map((push, index) => {
        const { dot, text } = stateOf(push);
        return html`<tr key=${index}>
          <td class="url">${masked(push.url)}${push.comment && html`<small>${push.comment}</small>`}</td>
          <td><span class="state"><${StatusDot} status=${dot} />${text}</span></td>
          <td class="number">${bytes(push.stats?.bytes)}</td>
          <td class="number wide">${push.stats?.retries ?? "–"}</td>
          <td class="number wide">${push.stats?.status === "running" && push.stats.opened_at ? duration(Date.now() - push.stats.opened_at) : "–"}</td>
          <td>${!fixed && saved[index]?.url === push.url && html`<button type="button" class="small" onClick=${() => turn(index)}
            aria-label=${t(push.disabled ? "Switch target {number} on" : "Switch target {number} off", { number: index + 1 })}>${t(push.disabled ? "On" : "Off")}</button>`}</td>
        </tr>`;
      })}</tbody>
    </table>
    ${!fixed && html`<p><a href=${settings}>${t("Change targets in the settings")}</a></p>`}`}`;
}
