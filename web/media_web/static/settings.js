// A form for any model of the API, made from the server's own JSON schema (openapi.json).

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { get, put } from "./api.js";
import { Failure, Field } from "./widgets.js";

/** Asked once, and again after a failure. */
let openapi;
const schemas = () =>
  (openapi ??= get("/openapi.json").then(
    (document) => document.components.schemas,
    (error) => {
      openapi = undefined;
      throw error;
    },
  ));

const SCALARS = new Set(["string", "integer", "number", "boolean"]);

/** What a field takes, with `kind`: boolean, choice, number, text, mixed (several scalars) or json. */
function fieldOf(schema) {
  const options = (schema.anyOf || [schema]).filter((option) => option.type !== "null");
  const field = { ...schema, ...(options.length === 1 ? options[0] : {}), description: schema.description };
  field.types = new Set(options.map((option) => option.type));
  return { ...field, kind: kindOf(field, options) };
}

function kindOf(field, options) {
  if (field.enum) return "choice";
  if (!options.every((option) => SCALARS.has(option.type))) return "json";
  if (options.length > 1) return "mixed";
  return { boolean: "boolean", string: "text" }[field.type] || "number";
}

/** Fields that have a place of their own or are not for hand editing. */
const ELSEWHERE = new Set(["name", "stats", "inputs", "config_on_disk", "named_by", "disabled"]);

/** What most users come for; the rest is below it in a second group. */
const FIRST = ["title", "comment", "static", "password", "segment_duration", "segment_count",
  "chunk_duration", "protocols", "on_play", "on_publish", "backup", "template"];

function groupsOf(properties) {
  const names = Object.keys(properties).filter((name) => !ELSEWHERE.has(name));
  const first = FIRST.filter((name) => names.includes(name));
  return [first, names.filter((name) => !first.includes(name)).sort()];
}

/** Edits what is at `path`; `value` is what is saved now, `fixed` forbids changes. */
export function SettingsEditor({ path, schema, value, fixed, onSaved }) {
  const [model, setModel] = useState(null);
  const [error, setError] = useState(null);
  const [saved, setSaved] = useState(false);
  useEffect(() => {
    schemas().then((all) => setModel(all[schema] || { properties: {} })).catch(setError);
  }, [schema]);
  if (!model) return html`<${Failure} error=${error} />`;
  const fields = Object.fromEntries(Object.entries(model.properties).map(([name, field]) => [name, fieldOf(field)]));
  const [first, further] = groupsOf(fields);
  const submit = async (event) => {
    event.preventDefault();
    try {
      const changed = changes([...first, ...further], fields, new FormData(event.target), value);
      if (Object.keys(changed).length) await put(path, changed);
      setError(null);
      setSaved(true);
      onSaved();
    } catch (failure) {
      setSaved(false);
      setError(failure);
    }
  };
  const inputs = (names) =>
    names.map((name) => html`<${Input} key=${name} name=${name} field=${fields[name]} value=${value[name]} />`);
  const used = further.some((name) => value[name] != null);
  return html`<form class="settings" onSubmit=${submit} onInput=${() => setSaved(false)}>
    <fieldset disabled=${fixed}>
      <div class="grid">${inputs(first)}</div>
      <details open=${used}>
        <summary>Further settings</summary>
        <div class="grid">${inputs(further)}</div>
      </details>
    </fieldset>
    <${Failure} error=${error} />
    ${saved && html`<p role="status">Saved.</p>`}
    ${!fixed && html`<button>Save</button>`}
  </form>`;
}

const labelOf = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

function Input({ name, field, value }) {
  return html`<${Field} label=${labelOf(name)} hint=${field.description}>${control(name, field, value)}<//>`;
}

function control(name, field, value) {
  if (field.kind === "boolean" || field.kind === "choice") {
    const options = field.enum || [true, false];
    const missing = field.default == null ? "default" : `default: ${field.default}`;
    return html`<select name=${name}>
      <option value="" selected=${value == null}>${missing}</option>
      ${options.map((option) => html`<option value=${String(option)} selected=${value === option}>${String(option)}</option>`)}
    </select>`;
  }
  if (field.kind === "json") {
    const text = value == null ? "" : JSON.stringify(value, null, 2);
    return html`<textarea name=${name} class="code" rows=${Math.min(8, text.split("\n").length)} placeholder="JSON"
      spellcheck=${false} defaultValue=${text}></textarea>`;
  }
  const secret = field.format === "password";
  const type = field.kind === "number" ? "number" : secret ? "password" : "text";
  // Browsers fill the administrator's password into any other password field.
  return html`<input name=${name} type=${type} step=${field.type === "integer" ? 1 : "any"}
    defaultValue=${value == null ? "" : String(value)} placeholder=${field.default ?? ""}
    autocomplete=${secret ? "new-password" : "off"} />`;
}

/** Only what the user changed is sent; an emptied field is reset to its default with null. */
function changes(names, fields, form, before) {
  const changed = {};
  for (const name of names) {
    const after = parse(name, fields[name], form.get(name).trim());
    const unchanged = JSON.stringify(after) === JSON.stringify(before[name] ?? null);
    if (!unchanged) changed[name] = after;
  }
  return changed;
}

function parse(name, field, text) {
  if (text === "") return null;
  if (field.kind === "boolean") return text === "true";
  if (field.kind === "choice") return field.enum.find((option) => String(option) === text);
  if (field.kind === "number") return Number(text);
  if (field.kind === "mixed") return parseMixed(field.types, text);
  if (field.kind === "text") return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${labelOf(name)}: ${error.message}`);
  }
}

function parseMixed(types, text) {
  if (types.has("boolean") && (text === "true" || text === "false")) return text === "true";
  if ((types.has("integer") || types.has("number")) && Number.isFinite(Number(text))) return Number(text);
  return text; // the server says what is wrong with it
}
