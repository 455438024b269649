// A stream as text, to read, copy and change: JSON of the API, or directives of a configuration file.
//
// What is saved is exactly what stands there: what was set before and is not in the text is reset.

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { item, post, put } from "../../api.js";
import { Refused, Saved, useSchemas } from "../../forms/form.js";
import { useDraft } from "../../forms/draft.js";
import { link } from "../../hooks.js";
import { t } from "../../i18n.js";
import { CopyButton } from "../../widgets.js";

/** What the text of a configuration file cannot say: Central's own settings of a stream. */
const others = (config, all) =>
  Object.fromEntries(Object.entries(config).filter(([name]) => !(name in all.StreamConfig.properties)));

const json = {
  title: "JSON",
  write: async (config) => JSON.stringify(config, null, 2),
  read: async (text) => {
    const found = JSON.parse(text);
    if (found === null || typeof found !== "object" || Array.isArray(found)) throw new Error(t("This is no JSON object."));
    return found;
  },
};

const directives = {
  title: "Flussonic",
  write: async (config) => (await post("/config/write", { streams: [config] })).text,
  read: async (text, before, all) => {
    const { streams, problems } = await post("/config/read", { text });
    if (problems.length) throw new Error(problems.map(({ line, col, detail }) => t("Line {line}, column {col}: {detail}", { line, col, detail })).join("\n"));
    if (streams.length !== 1) throw new Error(t("There must be one stream, not {count}.", { count: streams.length }));
    return { ...others(before, all), ...streams[0] };
  },
};

const FORMS = { json, directives };

export function Text({ stream, fixed, onDone }) {
  const [form, setForm] = useState("json");
  const { all } = useSchemas();
  const config = (!fixed && stream.config_on_disk) || stream;
  return html`<div class="bar" role="group" aria-label=${t("Form of the text")}>
      ${Object.entries(FORMS).map(([key, { title }]) => html`<button type="button" key=${key} class=${key === form ? "" : "plain"}
        aria-pressed=${key === form} onClick=${() => setForm(key)}>${title}</button>`)}
    </div>
    ${all && html`<${Editor} key=${form} form=${FORMS[form]} path=${item("streams", stream.name)} config=${config} all=${all} fixed=${fixed} onDone=${onDone} />`}`;
}

function Editor({ form, path, config, all, fixed, onDone }) {
  const [written, setWritten] = useState(null);
  const draft = useDraft(`${path} ${form.title}`, { text: written ?? "" });
  const [error, setError] = useState(null);
  const [note, setNote] = useState(null);
  const saved = JSON.stringify(config);
  useEffect(() => {
    form.write(JSON.parse(saved)).then(setWritten, setError);
  }, [saved]);
  const attempt = (action) => async () => {
    setNote(null);
    try {
      setNote(await action());
      setError(null);
    } catch (failure) {
      setError(failure);
    }
  };
  const body = async () => ({ ...(await form.read(draft.value.text, config, all)), $reset: true });
  const check = attempt(async () => {
    const { warnings = [] } = await put(`${path}?dry_run=true`, await body());
    return { text: t("No errors found."), warnings };
  });
  const save = attempt(async () => {
    const { name, warnings = [] } = await put(path, await body());
    if (item("streams", name) === path) draft.settle();
    else {
      draft.discard();
      location.hash = `${link("streams", name)}?tab=text`;
    }
    onDone();
    return { warnings };
  });
  const type = (event) => {
    setNote(null);
    draft.change({ text: event.target.value });
  };
  return html`<textarea class="code" aria-label=${t("The stream as {form}", { form: form.title })} spellcheck=${false} readonly=${fixed}
      rows=${Math.min(40, Math.max(12, draft.value.text.split("\n").length + 1))} value=${draft.value.text} onInput=${type}></textarea>
    <${Refused} error=${error} />
    ${note && (note.text ? html`<p role="status">${note.text}</p>` : html`<${Saved} warnings=${note.warnings} />`)}
    ${note?.text && note.warnings.map((text) => html`<p class="banner" key=${text}>${text}</p>`)}
    <div class="bar">
      ${!fixed && html`<button type="button" disabled=${!draft.changed} onClick=${save}>${t("Save")}</button>
        <button type="button" class="plain" onClick=${check}>${t("Check")}</button>
        ${draft.changed > 0 && html`<button type="button" class="plain" onClick=${draft.discard}>${t("Discard")}</button>`}`}
      <${CopyButton} text=${draft.value.text} label=${t("the text")} />
    </div>`;
}
