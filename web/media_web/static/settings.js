// A form for any model of the API, made from the server's own JSON schema (openapi.json).

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { get, put } from "./api.js";
import { Failure, Field } from "./widgets.js";

let openapi;
const schemas = () => (openapi ??= get("/openapi.json").then((document) => document.components.schemas));

/** The type behind `anyOf: [X, null]`, which is how optional fields are written. */
function typeOf(schema) {
  const options = schema.anyOf?.filter((option) => option.type !== "null");
  return options?.length === 1 ? { ...schema, ...options[0], description: schema.description } : schema;
}

const SCALARS = ["string", "integer", "number", "boolean"];

/** Fields that have a place of their own or are not for hand editing. */
const ELSEWHERE = new Set(["name", "stats", "inputs", "config_on_disk", "named_by", "disabled"]);

export function SettingsEditor({ path, schema, value, onSaved }) {
  const [model, setModel] = useState(null);
  const [error, setError] = useState(null);
  const [saved, setSaved] = useState(false);
  useEffect(() => {
    schemas().then((all) => setModel(all[schema] || { properties: {} })).catch(setError);
  }, [schema]);
  if (!model) return html`<${Failure} error=${error} />`;
  const fields = Object.entries(model.properties)
    .filter(([name]) => !ELSEWHERE.has(name))
    .map(([name, field]) => [name, typeOf(field)]);
  const submit = async (event) => {
    event.preventDefault();
    try {
      const changed = changes(fields, new FormData(event.target), value);
      if (Object.keys(changed).length) await put(path, changed);
      setError(null);
      setSaved(true);
      onSaved();
    } catch (failure) {
      setSaved(false);
      setError(failure);
    }
  };
  return html`<form class="settings" onSubmit=${submit}>
    ${fields.map(([name, field]) => html`<${Input} key=${name} name=${name} field=${field} value=${value[name]} />`)}
    <${Failure} error=${error} />
    ${saved && html`<p role="status">Saved.</p>`}
    <button>Save</button>
  </form>`;
}

function Input({ name, field, value }) {
  const hint = field.description;
  if (field.type === "boolean") {
    return html`<${Field} label=${name} hint=${hint}>
      <select name=${name} defaultValue=${value == null ? "" : String(value)}>
        <option value="">default</option><option value="true">true</option><option value="false">false</option>
      </select>
    <//>`;
  }
  if (field.enum) {
    return html`<${Field} label=${name} hint=${hint}>
      <select name=${name} defaultValue=${value ?? ""}>
        <option value="">default</option>
        ${field.enum.map((option) => html`<option value=${option}>${option}</option>`)}
      </select>
    <//>`;
  }
  if (SCALARS.includes(field.type)) {
    const type = field.type === "string" ? "text" : "number";
    return html`<${Field} label=${name} hint=${hint}>
      <input name=${name} type=${type} step="any" defaultValue=${value ?? ""} placeholder=${field.default ?? ""} autocomplete="off" />
    <//>`;
  }
  const text = value == null ? "" : JSON.stringify(value, null, 2);
  return html`<${Field} label=${name} hint=${hint}>
    <textarea name=${name} class="code" rows=${Math.min(8, text.split("\n").length)} placeholder="JSON" defaultValue=${text}></textarea>
  <//>`;
}

/** Only what the user changed is sent; an emptied field is reset to its default with null. */
function changes(fields, form, before) {
  const changed = {};
  for (const [name, field] of fields) {
    const after = parse(name, field, form.get(name).trim());
    const unchanged = JSON.stringify(after) === JSON.stringify(before[name] ?? null);
    if (!unchanged) changed[name] = after;
  }
  return changed;
}

function parse(name, field, text) {
  if (text === "") return null;
  if (field.type === "boolean") return text === "true";
  if (field.type === "integer" || field.type === "number") return Number(text);
  if (field.type === "string" || field.enum) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name}: ${error.message}`);
  }
}
