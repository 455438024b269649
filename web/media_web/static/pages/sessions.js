// Who is watching and publishing, and the way to end a session.

import { html, useState } from "../vendor/htm-preact.js";
import { item, remove } from "../api.js";
import { link, usePolled } from "../hooks.js";
import { Failure, bytes, duration } from "../widgets.js";

const LIMIT = 500; // rows that a page still shows well

export function Sessions() {
  const { data, error, reload } = usePolled(`/sessions?limit=${LIMIT}`);
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
  return html`<header class="bar"><h1>Sessions</h1></header>
    <${Failure} error=${error || failure} />
    ${data && !data.sessions.length && html`<p class="empty">Nobody is connected.</p>`}
    ${data && data.sessions.length > 0 && html`<table class="list">
      <thead><tr><th>Stream</th><th class="wide">Type</th><th class="wide">Protocol</th><th>Address</th><th class="wide">Client</th>
        <th class="number">Bytes</th><th class="number wide">For</th><th></th></tr></thead>
      <tbody>
        ${data.sessions.map((session) => html`<tr key=${session.id}>
          <td class="name"><a href=${link("streams", session.name)}>${session.name}</a></td>
          <td class="wide">${session.type}</td><td class="wide">${session.proto}</td><td class="url">${session.ip}</td>
          <td class="wide url">${session.user_agent || "–"}</td>
          <td class="number">${bytes(session.bytes)}</td>
          <td class="number wide">${duration(Date.now() - session.opened_at)}</td>
          <td class="number"><button type="button" class="small danger" aria-label="Close the session of ${session.ip}"
            onClick=${() => close(session.id)}>Close</button></td>
        </tr>`)}
      </tbody>
    </table>
    ${data.next && html`<p class="empty">The first ${LIMIT} of ${data.estimated_count}.</p>`}`}`;
}
