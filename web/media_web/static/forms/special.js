// Settings that have a control made for them: who may watch and publish, protocols, the ladder.

import { html } from "../vendor/htm-preact.js";
import { t } from "../i18n.js";
import { withValue } from "./draft.js";
import { ObjectFields } from "./fields.js";
import { Ladder } from "./ladder.js";
import { fieldsOf } from "./schema.js";

const RULES = {
  all: { title: "Everybody", is: (url) => url === undefined || url === true, url: undefined },
  none: { title: "Nobody", is: (url) => url === false, url: false },
  backend: { title: "A program of yours is asked (HTTP)", prefix: /^https?:\/\//, begin: "", label: "Its address", example: "https://example.org/auth" },
  token: { title: "Who has a signed link (securetoken)", prefix: /^securetoken:\/\//, begin: "securetoken://", label: "Secret" },
  rules: { title: "Rules of the server (auth_backend)", prefix: /^auth:\/\//, begin: "auth://", label: "Name of the rules" },
  other: { title: "Another address", prefix: /^/, begin: "", label: "Address" },
};

const ruleOf = (url) =>
  Object.keys(RULES).find((key) => (RULES[key].is ? RULES[key].is(url) : RULES[key].prefix.test(url)));

/** `on_play` and `on_publish`. */
function Access({ field, value, onChange, path, context, id, problem }) {
  const url = value?.url ?? undefined;
  const kind = ruleOf(url);
  const rule = RULES[kind];
  const setUrl = (next) => {
    const after = withValue(value, "url", next);
    onChange(Object.keys(after).length ? after : undefined);
  };
  const choose = (event) => {
    const chosen = RULES[event.target.value];
    setUrl(chosen.is ? chosen.url : chosen.begin || chosen.example || "https://");
  };
  const wrong = problem || context.errors.get(`${path}/url`);
  const text = String(url ?? "").slice(rule.begin?.length || 0);
  const type = (event) => setUrl((rule.begin || "") + event.target.value);
  return html`<fieldset class="group ${wrong ? "wrong" : ""}">
    <legend>${t(field.label)}</legend>
    <div class="field">
      <select id=${id} aria-label=${t(field.label)} onChange=${choose} aria-describedby="${id}-help">
        ${Object.entries(RULES).filter(([key]) => key !== "other" || key === kind)
          .map(([key, { title }]) => html`<option value=${key} selected=${key === kind}>${t(title)}</option>`)}
      </select>
      ${!rule.is && html`<label for="${id}-url">${t(rule.label)}</label>
        <input id="${id}-url" type="text" autocomplete="off" spellcheck=${false} value=${text} placeholder=${rule.example} onInput=${type} />`}
      <small id="${id}-help">${wrong && html`<b class="failure">${wrong}</b> `}${t(field.help)}</small>
    </div>
    ${(value !== undefined || kind !== "all") && html`<${ObjectFields} model="AuthSpec" value=${value || {}} without=${["url"]}
      onChange=${(next) => onChange(Object.keys(next).length ? next : undefined)} path=${path} context=${context} />`}
    ${value === undefined && html`<button type="button" class="small" onClick=${() => onChange({ max_sessions: 1 })}>${t("Limit sessions, sites or countries")}</button>`}
  </fieldset>`;
}
Access.own = true;

/** Which protocols may play the stream. */
function Protocols({ field, value, onChange, context, id, problem }) {
  const switches = fieldsOf(context.all, "ProtocolsSpec").filter(({ name }) => name !== "whitelist");
  const only = value?.whitelist === true;
  const isOn = (name) => (only ? value[name] === true : value?.[name] !== false);
  const make = (whitelist, on) => {
    const said = switches.filter(({ name }) => on(name) === whitelist).map(({ name }) => [name, whitelist]);
    const next = { ...(whitelist ? { whitelist } : {}), ...Object.fromEntries(said) };
    onChange(Object.keys(next).length ? next : undefined);
  };
  const turn = (name) => (event) => make(only, (other) => (other === name ? event.target.checked : isOn(other)));
  const mode = only ? "only" : "but";
  return html`<fieldset class="group ${problem ? "wrong" : ""}">
    <legend>${t(field.label)}</legend>
    <div class="field">
      <select id=${id} aria-label=${t("May be played by")} onChange=${(event) => make(event.target.value === "only", isOn)}>
        <option value="but" selected=${mode === "but"}>${t("All protocols but those switched off, new ones too")}</option>
        <option value="only" selected=${mode === "only"}>${t("Only the protocols switched on")}</option>
      </select>
      <small>${problem && html`<b class="failure">${problem}</b>`}</small></div>
    <span class="checks">${switches.map(({ name, help, noEffect }) => html`<label key=${name} class="check">
      <input type="checkbox" checked=${!noEffect && isOn(name)} disabled=${noEffect && value?.[name] === undefined} onChange=${turn(name)} />
      <span>${help.replace(/\.$/, "")}${noEffect && html`<small>${t(noEffect)}</small>`}</span>
    </label>`)}</span>
  </fieldset>`;
}
Protocols.own = true;

export const SPECIAL = { AuthSpec: Access, ProtocolsSpec: Protocols, TranscoderSpec: Ladder };
