// The settings of a stream as a form for people: groups, one save button, errors at their fields.
//
// What is typed is a draft (draft.js): it outlives a look at another tab and a server that is away.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { put } from "../api.js";
import { t, told } from "../i18n.js";
import { Failure } from "../widgets.js";
import { useDraft } from "./draft.js";
import { Fields } from "./fields.js";
import { ELSEWHERE, GROUPS, labelled } from "./labels.js";
import { fieldsOf, schemas } from "./schema.js";

const MODEL = "StreamConfig";
const NO_ERRORS = new Map();

/** The schemas of the server: null until they are there. */
export function useSchemas() {
  const [state, setState] = useState({ all: null, error: null });
  useEffect(() => {
    schemas().then((all) => setState({ all, error: null }), (error) => setState({ all: null, error }));
  }, []);
  return state;
}

/** [{key, title, fields}] with what the catalogue does not name in the last one. */
function grouped(all) {
  const fields = fieldsOf(all, MODEL).filter(({ name }) => !ELSEWHERE.has(name)).map((field) => labelled(MODEL, field));
  const named = new Set(GROUPS.flatMap((group) => group.fields));
  return GROUPS.map((group, index) => ({
    ...group,
    fields: [
      ...group.fields.map((name) => fields.find((field) => field.name === name)).filter(Boolean),
      ...(index === GROUPS.length - 1 ? fields.filter(({ name }) => !named.has(name)) : []),
    ],
  }));
}

/**
 * `saved` is what was set, `effective` has defaults and the template's values; `fixed` forbids changes.
 * `wanted` is the key of the group that somebody was led to, if he was.
 */
export function SettingsForm({ path, saved, effective, fixed, wanted, onSaved }) {
  const { all, error: broken } = useSchemas();
  const draft = useDraft(path, saved);
  const [error, setError] = useState(null);
  const [note, setNote] = useState(null);
  if (!all) return html`<${Failure} error=${broken} />`;
  const change = (next) => {
    setNote(null);
    draft.change(next);
  };
  const submit = async (event) => {
    event.preventDefault();
    try {
      const answer = await put(path, draft.patch);
      setError(null);
      setNote(answer?.warnings || []);
      draft.settle();
      onSaved();
    } catch (failure) {
      setNote(null);
      setError(failure);
    }
  };
  const discard = () => {
    setError(null);
    draft.discard();
  };
  const groups = grouped(all);
  const context = { all, errors: error?.fields || NO_ERRORS };
  return html`<form class="settings" onSubmit=${submit}>
    <fieldset disabled=${fixed}>
      ${groups.map((group, index) => html`<${Section} key=${group.key} group=${group} isOpen=${wanted ? group.key === wanted : index === 0} isWanted=${group.key === wanted} value=${draft.value}
        onChange=${change} context=${context} effective=${effective} />`)}
    </fieldset>
    <${Refused} error=${error} fields=${groups.flatMap((group) => group.fields)} />
    ${note && html`<${Saved} warnings=${note} />`}
    ${!fixed && html`<div class="bar savebar">
      <button disabled=${!draft.changed}>${t("Save")}</button>
      ${draft.changed > 0 && html`<button type="button" class="plain" onClick=${discard}>${t("Discard")}</button>
        <span>${t("Unsaved changes: {count}", { count: draft.changed })}</span>`}
    </div>`}
  </form>`;
}

function Section({ group, isOpen, isWanted, value, onChange, context, effective }) {
  const heading = useRef();
  useEffect(() => {
    if (!isWanted) return;
    heading.current.scrollIntoView();
    heading.current.focus();
  }, [isWanted]);
  const count = group.fields.filter(({ name }) => value[name] != null).length;
  const wrong = [...context.errors.keys()].some((pointer) => group.fields.some(({ name }) => pointer.split("/")[1] === name));
  return html`<details class="section" open=${isOpen || wrong} id="group-${group.key}">
    <summary ref=${heading}><h2>${t(group.title)}</h2>${count > 0 && html`<small>${t("{count} set", { count })}</small>`}</summary>
    <${Fields} model=${MODEL} fields=${group.fields} value=${value} onChange=${onChange} path="" context=${context} effective=${effective} />
  </details>`;
}

/** Why nothing was saved: each field by its name, or what the server said as a whole. */
export function Refused({ error, fields = [] }) {
  if (!error?.fields?.size) return html`<${Failure} error=${error} />`;
  const labelOf = (pointer) => {
    const [, name, ...rest] = pointer.split("/");
    const label = fields.find((field) => field.name === name)?.label || name;
    return [t(label), ...rest].join(" › ");
  };
  return html`<div class="failure" role="alert"><p>${t("Nothing was saved:")}</p>
    <ul>${[...error.fields].map(([pointer, text]) => html`<li key=${pointer}>${labelOf(pointer)}: ${told(text)}</li>`)}</ul>
  </div>`;
}

export function Saved({ warnings }) {
  return html`<div role="status" class=${warnings.length ? "banner" : ""}>${t("Saved.")}
    ${warnings.length > 0 && html` ${t("This has no effect on this server:")}<ul>${warnings.map((text) => html`<li key=${text}>${text}</li>`)}</ul>`}
  </div>`;
}
