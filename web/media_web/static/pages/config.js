// The streamer's configuration file: read it, check it, save it.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { request } from "../api.js";
import { t } from "../i18n.js";
import { Failure } from "../widgets.js";

export function Config() {
  const [text, setText] = useState("");
  const [note, setNote] = useState("");
  const [error, setError] = useState(null);
  const attempt = async (action) => {
    setNote("");
    setError(null);
    try {
      setNote(await action());
    } catch (failure) {
      setError(failure);
    }
  };
  useEffect(() => {
    attempt(async () => {
      setText(await request("GET", "/config", undefined, { accept: "text/plain" }));
      return "";
    });
  }, []);
  const send = (method, done) => () =>
    attempt(async () => {
      await request(method, "/config", text);
      return done;
    });
  return html`<header class="bar"><h1>${t("Configuration")}</h1>
      <button type="button" class="plain" onClick=${send("POST", t("No errors found."))}>${t("Check")}</button>
      <button type="button" onClick=${send("PUT", t("Saved and applied."))}>${t("Save")}</button>
    </header>
    <p class="hint">${t("Streams that Central gives to this server are in no file and are not shown here.")}</p>
    <${Failure} error=${error} />
    <p role="status">${note}</p>
    <textarea class="code" aria-label=${t("Configuration file")} spellcheck=${false} value=${text}
      onInput=${(event) => setText(event.target.value)}></textarea>`;
}
