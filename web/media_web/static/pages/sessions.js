// Who is watching and publishing on this streamer, and the way to end a session.

import { html, useState } from "../vendor/htm-preact.js";
import { item, remove } from "../api.js";
import { link, usePolled } from "../hooks.js";
import { Failure, bytes, duration } from "../widgets.js";

export function Sessions() {
  const { data, error, reload } = usePolled("/sessions?limit=500");
  const [failure, setFailure] = useState(null);
  const close = async (id) => {
    try {
      await remove(item("sessions", id));
      setFailure(null);
      reload();
    } catch (problem) {
      setFailure(problem);
    }
  };
  return html`<h1>Sessions</h1>
    <${Failure} error=${error || failure} />
    ${data && !data.sessions.length && html`<p class="empty">Nobody is connected.</p>`}
    ${data && data.sessions.length > 0 && html`<table class="list">
      <thead><tr><th>Stream</th><th>Type</th><th>Protocol</th><th>Address</th><th class="wide">Client</th>
        <th class="number">Bytes</th><th class="number">For</th><th></th></tr></thead>
      <tbody>
        ${data.sessions.map((session) => html`<tr key=${session.id}>
          <td><a href=${link("streams", session.name)}>${session.name}</a></td>
          <td>${session.type}</td><td>${session.proto}</td><td>${session.ip}</td>
          <td class="wide url">${session.user_agent || "–"}</td>
          <td class="number">${bytes(session.bytes)}</td>
          <td class="number">${duration(Date.now() - session.opened_at)}</td>
          <td class="number"><button type="button" class="small danger" onClick=${() => close(session.id)}>Close</button></td>
        </tr>`)}
      </tbody>
    </table>`}`;
}
