// Who watches a stream, by protocol, and the way to end a session.

import { html, useState } from "../../vendor/htm-preact.js";
import { item, remove } from "../../api.js";
import { usePolled } from "../../hooks.js";
import { t } from "../../i18n.js";
import { Agent, Failure, bytes, duration } from "../../widgets.js";

const POLL_MS = 5000;
const LIMIT = 200; // rows that a page still shows well

/** { hls: 3, rtmp: 1 }, the most first. */
export function byProtocol(sessions) {
  const counts = {};
  for (const { proto } of sessions) counts[proto] = (counts[proto] || 0) + 1;
  return Object.entries(counts).sort((one, other) => other[1] - one[1]);
}

export function Viewers({ stream, ui }) {
  const query = new URLSearchParams({ name: stream.name, limit: LIMIT });
  const { data, error, reload } = usePolled(`/sessions?${query}`, POLL_MS);
  const [failure, setFailure] = useState(null);
  const kick = async (id) => {
    try {
      await remove(item("sessions", id));
      setFailure(null);
      reload();
    } catch (problem) {
      setFailure(problem);
    }
  };
  const sessions = data?.sessions || [];
  return html`<h2>${t("Viewers and publishers")}</h2>
    <${Failure} error=${error || failure} />
    ${data && !sessions.length && html`<p class="hint">${t("Nobody is connected.")}</p>`}
    ${sessions.length > 0 && html`<p>${byProtocol(sessions).map(([proto, count]) => html`<span class="chip" key=${proto}>${proto} ${count}</span> `)}
      ${data.estimated_count > sessions.length && t("The first {shown} of {all}.", { shown: sessions.length, all: data.estimated_count })}</p>
    <table class="list">
      <thead><tr><th>${t("Protocol")}</th><th>${t("Address")}</th><th class="wide">${t("Client")}</th><th class="number">${t("Bytes")}</th>
        <th class="number wide">${t("For")}</th><th><span class="unseen">${t("Actions")}</span></th></tr></thead>
      <tbody>${sessions.map((session) => html`<tr key=${session.id}>
        <td>${session.type === "publish" ? t("publishes by {proto}", session) : session.proto}</td>
        <td class="ip">${session.ip}${session.country && ` ${session.country}`}</td>
        <td class="wide"><${Agent} text=${session.user_agent} />${session.user_id && html`<small>${session.user_id}</small>`}</td>
        <td class="number">${bytes(session.bytes)}</td>
        <td class="number wide">${duration(Date.now() - session.opened_at)}</td>
        <td class="number">${!ui.readsOnly && html`<button type="button" class="small danger" aria-label=${t("Close the session of {ip}", session)} onClick=${() => kick(session.id)}>${t("Close")}</button>`}</td>
      </tr>`)}</tbody>
    </table>`}`;
}
