// Who is watching and publishing, or was: found by stream, protocol and country; the way to end a session.

import { html, useState } from "../vendor/htm-preact.js";
import { item, remove } from "../api.js";
import { link, setQuery, usePolled } from "../hooks.js";
import { moment, t, told } from "../i18n.js";
import { Agent, Failure, bytes, duration } from "../widgets.js";

const LIMIT = 200; // rows that a page still shows well
const FILTERS = [["name", "Stream"], ["proto", "Protocol"], ["country", "Country"], ["ip", "Address"]];

/** The filter of the API: any part of what is searched. */
function queryOf(query) {
  const asked = new URLSearchParams({ limit: LIMIT, cursor: query.get("cursor") || "" });
  for (const [key] of FILTERS) {
    const text = query.get(key)?.trim();
    if (text) asked.set(`${key}_like`, key === "country" ? text.toUpperCase() : text);
  }
  return asked;
}

export function Sessions({ ui, route }) {
  const { query } = route;
  const ended = ui.product === "central" && query.get("view") === "ended";
  const { data, error, reload } = usePolled(`${ended ? "/history/sessions" : "/sessions"}?${queryOf(query)}`, ended ? 15000 : 2000);
  const [failure, setFailure] = useState(null);
  const change = (changes) => setQuery(route, { cursor: null, ...changes });
  const close = async (id) => {
    try {
      await remove(item("sessions", id));
      setFailure(null);
      reload();
    } catch (problem) {
      setFailure(problem);
    }
  };
  const filtered = FILTERS.some(([key]) => query.get(key));
  const empty = filtered ? t("No session matches.") : ended ? t("No session has ended yet.") : t("Nobody is connected.");
  return html`<header class="bar"><h1>${t("Sessions")}</h1>
      ${FILTERS.map(([key, title]) => html`<input key=${key} class="short" type="search" placeholder=${t(title)} aria-label=${t("Filter by {what}", { what: t(title).toLowerCase() })}
        value=${query.get(key) || ""} onInput=${(event) => change({ [key]: event.target.value })} />`)}
      ${ui.product === "central" && html`<span class="switch" role="group" aria-label=${t("Which sessions")}>
        <button type="button" class="small" aria-pressed=${!ended} onClick=${() => change({ view: null })}>${t("Now")}</button>
        <button type="button" class="small" aria-pressed=${ended} onClick=${() => change({ view: "ended" })}>${t("Ended")}</button>
      </span>`}
    </header>
    <${Failure} error=${error || failure} />
    ${data && !data.sessions.length && html`<p class="empty">${empty}</p>`}
    ${data?.sessions.length > 0 && html`<p>${t("{shown} of {all} sessions", { shown: data.sessions.length, all: data.estimated_count })}</p>
    <table class="list ${error ? "stale" : ""}">
      <thead><tr><th>${t("Stream")}</th><th class="wide">${t("Type")}</th><th class="wide">${t("Protocol")}</th><th>${t("Address")}</th><th class="wide">${t("Client")}</th>
        <th class="number">${t("Bytes")}</th><th class="number wide">${t("For")}</th><th>${ended ? t("Ended") : html`<span class="unseen">${t("Actions")}</span>`}</th></tr></thead>
      <tbody>
        ${data.sessions.map((session) => html`<tr key=${session.id}>
          <td class="name"><a href=${link("streams", session.name || "")}>${session.name}</a></td>
          <td class="wide">${session.type}</td><td class="wide">${session.proto}</td>
          <td class="ip">${session.ip}${session.country && ` ${session.country}`}</td>
          <td class="wide"><${Agent} text=${session.user_agent} />${(session.user_name || session.user_id) && html`<small>${session.user_name || session.user_id}</small>`}</td>
          <td class="number">${bytes(session.bytes)}</td>
          <td class="number wide">${duration((ended ? session.closed_at : Date.now()) - session.opened_at)}</td>
          ${ended
            ? html`<td>${moment(session.closed_at)}${session.reason && html`<small>${told(session.reason)}</small>`}</td>`
            : html`<td class="number">${!ui.readsOnly && html`<button type="button" class="small danger" aria-label=${t("Close the session of {ip}", session)} onClick=${() => close(session.id)}>${t("Close")}</button>`}</td>`}
        </tr>`)}
      </tbody>
    </table>
    ${(data.prev || data.next) && html`<nav class="bar end" aria-label=${t("Pages")}>
      <button type="button" class="plain" disabled=${!data.prev} onClick=${() => setQuery(route, { cursor: data.prev })}>${t("Previous")}</button>
      <button type="button" class="plain" disabled=${!data.next} onClick=${() => setQuery(route, { cursor: data.next })}>${t("Next")}</button>
    </nav>`}`}`;
}
