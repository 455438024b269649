// A setting with its name, help and errors; objects and lists of them, however deep.

import { html, useState } from "../vendor/htm-preact.js";
import { t, told } from "../i18n.js";
import { CONTROLS } from "./controls.js";
import { withValue } from "./draft.js";
import { labelled, split } from "./labels.js";
import { belongsTo, fieldsOf } from "./schema.js";
import { SPECIAL } from "./special.js";

/** Of "rtsp://host/x" "rtsp". */
const schemeOf = (url) => /^([a-z0-9]+):\/\//i.exec(url || "")?.[1].toLowerCase();

/** What is wrong with the value at `path` or, of a control that draws no fields, below it. */
function problemOf(errors, path, deep) {
  for (const [pointer, text] of errors || []) {
    if (pointer === path || (deep && pointer.startsWith(`${path}/`))) return told(text);
  }
  return null;
}

/** `context` is what all fields of a form share: {all (schemas), errors (Map of pointers)}. */
export function SettingField({ field, value, onChange, path, context, effective }) {
  const inherited = value === undefined && effective != null ? { ...field, inherited: effective } : field;
  const props = { field: inherited, value, onChange, path, context, effective, id: `field${path}` };
  const Special = SPECIAL[field.model];
  if (field.kind === "object") return html`<${Group} ...${props} Body=${Special || ObjectFields} />`;
  if (field.kind === "list") return html`<${List} ...${props} />`;
  return html`<${Row} ...${props} />`;
}

function Row({ field, value, onChange, path, context, id }) {
  const Control = CONTROLS[field.kind];
  const problem = problemOf(context.errors, path, true) || noEffect(field, value);
  const isGroup = field.kind === "set" || field.kind === "map";
  const name = html`<span>${t(field.label)}${field.required && html` <i aria-hidden="true">*</i>`}</span>`;
  return html`<div class="field ${problem ? "wrong" : ""}" role=${isGroup ? "group" : undefined}
      aria-label=${isGroup ? t(field.label) : undefined}>
    ${isGroup ? html`<span class="name">${name}</span>` : html`<label for=${id}>${name}</label>`}
    <${Control} field=${field} value=${value} onChange=${onChange} id=${id} described="${id}-help" />
    <small id="${id}-help">${problem && html`<b class="failure">${problem}</b> `}${t(field.help)}</small>
  </div>`;
}

const noEffect = (field, value) =>
  field.noEffect && value !== undefined ? t("This has no effect: {reason}.", { reason: told(field.noEffect.replace(/^has no effect:? ?/, "")) || t("not served by this version") }) : null;

/** A group of settings that can be there or not. What was in it comes back when it is switched on again. */
function Group({ field, value, onChange, path, context, effective, id, Body }) {
  const [before, setBefore] = useState(undefined);
  const turn = (event) => {
    setBefore(value);
    onChange(event.target.checked ? before ?? {} : undefined);
  };
  const problem = problemOf(context.errors, path) || noEffect(field, value);
  if (Body.own) return html`<${Body} ...${{ field, value, onChange, path, context, effective, id, problem }} />`;
  return html`<fieldset class="group ${problem ? "wrong" : ""}">
    <legend><label class="check"><input type="checkbox" id=${id} checked=${value !== undefined} onChange=${turn} />${t(field.label)}</label></legend>
    <small>${problem && html`<b class="failure">${problem}</b> `}${t(field.help)}</small>
    ${value !== undefined && html`<${Body} model=${field.model} value=${value} onChange=${onChange} path=${path}
      context=${context} effective=${effective} field=${field} />`}
  </fieldset>`;
}

/** All settings of a model. Those that belong to another URL scheme are left out. */
export function ObjectFields({ model, value, onChange, path, context, effective, without = [] }) {
  const scheme = schemeOf(value.url);
  const fields = fieldsOf(context.all, model).map((field) => labelled(model, field))
    .filter((field) => !without.includes(field.name))
    .filter((field) => field.name === "url" || value[field.name] !== undefined || belongsTo(field, scheme));
  return html`<${Fields} model=${model} fields=${fields} ...${{ value, onChange, path, context, effective }} />`;
}

/** `fields` of a model: the main ones, the further ones, and the names of those that nothing reads. */
export function Fields({ model, fields, value, onChange, path, context, effective }) {
  const served = fields.filter((field) => !field.noEffect || value[field.name] !== undefined);
  const unserved = fields.filter((field) => !served.includes(field));
  const [first, further] = split(model, served);
  const draw = (list) => html`<div class="grid">${list.map((field) => html`<${SettingField} key=${field.name} field=${field}
    value=${value[field.name] ?? undefined} onChange=${(next) => onChange(withValue(value, field.name, next))}
    path="${path}/${field.name}" context=${context} effective=${effective?.[field.name]} />`)}</div>`;
  const isOpen = further.some((field) => value[field.name] != null || problemOf(context.errors, `${path}/${field.name}`, true));
  return html`${draw(first)}
    ${further.length > 0 && html`<details class="further" open=${isOpen}><summary>${t("Further settings")}</summary>${draw(further)}</details>`}
    ${unserved.length > 0 && html`<${Unserved} fields=${unserved} />`}`;
}

/** What this version of the server does not do: said, not offered. */
function Unserved({ fields }) {
  return html`<details class="further unserved"><summary>${t("Not served by this version: {count}", { count: fields.length })}</summary>
    <ul>${fields.map((field) => html`<li key=${field.name}><b>${t(field.label)}</b> <code>${field.name}</code> – ${told(field.noEffect)}. ${t(field.help)}</li>`)}</ul>
  </details>`;
}

/** Entries of one model, in order. */
export function List({ field, value, onChange, path, context }) {
  const entries = value || [];
  const set = (next) => onChange(next.length ? next : undefined);
  const move = (at, to) => set(entries.with(at, entries[to]).with(to, entries[at]));
  const word = t(field.entry || "Entry");
  const problem = problemOf(context.errors, path) || noEffect(field, value);
  return html`<fieldset class="group list-of ${problem ? "wrong" : ""}">
    <legend>${t(field.label)}</legend>
    <small>${problem && html`<b class="failure">${problem}</b> `}${t(field.help)}</small>
    ${entries.map((entry, at) => html`<fieldset class="entry" key=${at}>
      <legend>${word} ${at + 1}</legend>
      <span class="moves">
        <button type="button" class="small" disabled=${at === 0} aria-label=${t("Move {name} up", { name: `${word} ${at + 1}` })} onClick=${() => move(at, at - 1)}>↑</button>
        <button type="button" class="small" disabled=${at === entries.length - 1} aria-label=${t("Move {name} down", { name: `${word} ${at + 1}` })} onClick=${() => move(at, at + 1)}>↓</button>
        <button type="button" class="small danger" aria-label=${t("Remove {name}", { name: `${word} ${at + 1}` })} onClick=${() => set(entries.filter((_, index) => index !== at))}>${t("Remove")}</button>
      </span>
      <${Entry} field=${field} value=${entry} path="${path}/${at}" context=${context} onChange=${(next) => set(entries.with(at, next))} />
    </fieldset>`)}
    <button type="button" class="small" onClick=${() => set([...entries, {}])}>${t("Add {what}", { what: word.toLowerCase() })}</button>
  </fieldset>`;
}

/** One entry; its URL comes first, with what can be done with such a URL. */
export function Entry({ field, value, onChange, path, context }) {
  const url = fieldsOf(context.all, field.model).find((one) => one.name === "url");
  if (!url) return html`<${ObjectFields} model=${field.model} ...${{ value, onChange, path, context }} />`;
  return html`<${UrlField} model=${field.model} field=${url} value=${value.url} path="${path}/url" context=${context}
      onChange=${(next) => onChange(withValue(value, "url", next))} />
    <${ObjectFields} model=${field.model} without=${["url"]} ...${{ value, onChange, path, context }} />`;
}

function UrlField({ model, field, value, onChange, path, context }) {
  const scheme = schemeOf(value);
  const unserved = scheme && field.unservedSchemes?.[scheme];
  const help = t("Served: {schemes}", { schemes: (field.schemes || []).map((name) => `${name}://`).join(" ") });
  const errors = unserved ? new Map([...context.errors, [path, t("{scheme}:// is {reason}: this has no effect.", { scheme, reason: told(unserved) })]]) : context.errors;
  return html`<${SettingField} field=${labelled(model, { ...field, help: `${field.help} ${help}` })} value=${value}
    onChange=${onChange} path=${path} context=${{ ...context, errors }} />`;
}
