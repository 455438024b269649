// Controls for single values. Each gets {field, value, onChange, id, described}; what is not set is
// undefined, and `onChange(undefined)` resets to the default.

import { html, useState } from "../vendor/htm-preact.js";
import { t } from "../i18n.js";
import { inWords, scaleOf, unitFor } from "./units.js";

const WORDS = { true: "Yes", false: "No", copy: "As it comes", auto: "Automatic", any: "As it comes",
  ondemand: "Only while somebody asks" };
const wordOf = (field, choice) => t(field.words?.[choice] ?? WORDS[choice] ?? String(choice));

/** What a control shows while nothing is set. */
export function unsetText(field) {
  const { value, words } = field.inherited === undefined ? field.unset : { value: field.inherited };
  if (value !== undefined && typeof value !== "object") {
    const text = field.choices?.includes(value) ? wordOf(field, value) : inWords(field.open || field, value);
    return t("Default: {value}", { value: text });
  }
  return words ? t("Default: {value}", { value: words }) : t("Not set");
}

const common = ({ field, id, described }) => ({
  id, "aria-describedby": described, "aria-required": field.required ? "true" : undefined, autocomplete: "off",
});

export function Text(props) {
  const { field, value, onChange } = props;
  const placeholder = field.example || (field.required ? "" : unsetText(field));
  return html`<input ...${common(props)} type="text" value=${value ?? ""} maxlength=${field.maxLength}
    placeholder=${placeholder} spellcheck=${false} onInput=${(event) => onChange(event.target.value || undefined)} />`;
}

export function Area(props) {
  return html`<textarea ...${common(props)} rows="2" value=${props.value ?? ""} maxlength=${props.field.maxLength}
    onInput=${(event) => props.onChange(event.target.value || undefined)}></textarea>`;
}

export function Secret(props) {
  // Browsers fill the administrator's password into any other password field.
  return html`<input ...${common(props)} type="password" autocomplete="new-password" value=${props.value ?? ""}
    placeholder=${unsetText(props.field)} onInput=${(event) => props.onChange(event.target.value || undefined)} />`;
}

/** The number that a text means; the text itself if it means none, so that nothing typed is lost. */
const numberOf = (text, factor) => {
  const number = Number(text.trim().replace(",", "."));
  return Number.isFinite(number) ? Math.round(number * factor * 1e6) / 1e6 : text;
};

/** A number, with a unit where it has one. */
export function Quantity(props) {
  const { field, value, onChange } = props;
  const scale = scaleOf(field);
  const [unit, setUnit] = useState(() => unitFor(scale, value) || ["", 1]);
  const [text, setText] = useState("");
  const meant = text.trim() === "" ? undefined : numberOf(text, unit[1]);
  const shown = meant === value ? text : value === undefined ? "" : typeof value === "number" ? String(value / unit[1]) : value;
  const type = (event) => {
    setText(event.target.value);
    onChange(event.target.value.trim() === "" ? undefined : numberOf(event.target.value, unit[1]));
  };
  const choose = (event) => {
    const next = scale.find(([word]) => word === event.target.value);
    setUnit(next);
    setText(shown);
    if (typeof value === "number") onChange(numberOf(shown, next[1]));
  };
  return html`<span class="quantity">
    <input ...${common(props)} type="text" inputmode="decimal" value=${shown} placeholder=${unsetText(field)} onInput=${type} />
    ${scale.length === 1 && html`<span class="unit">${scale[0][0]}</span>`}
    ${scale.length > 1 && html`<select class="unit" aria-label=${t("Unit of {name}", { name: field.label })} onChange=${choose}>
      ${scale.map(([word]) => html`<option value=${word} selected=${word === unit[0]}>${t(word)}</option>`)}
    </select>`}
  </span>`;
}

export function Choice(props) {
  const { field, value, onChange } = props;
  const choose = (event) => onChange(field.choices[event.target.value]); // "" is none of them
  return html`<select ...${common(props)} onChange=${choose}>
    ${!field.required && html`<option value="" selected=${value === undefined}>${unsetText(field)}</option>`}
    ${field.choices.map((choice, index) => html`<option value=${index} selected=${value === choice}>${wordOf(field, choice)}</option>`)}
  </select>`;
}

const OPEN = "open";

/** Some fixed values, or one of the reader's own: `never`, or 60 seconds. */
export function Either(props) {
  const { field, value, onChange } = props;
  const isChoice = value === undefined || field.choices.includes(value);
  const [isOpen, setOpen] = useState(!isChoice);
  const open = isOpen || !isChoice;
  const choose = (event) => {
    setOpen(event.target.value === OPEN);
    onChange(event.target.value === OPEN ? undefined : field.choices[event.target.value]);
  };
  const own = { ...field, ...field.open, choices: undefined };
  const Open = CONTROLS[own.kind];
  return html`<span class="either">
    <select ...${common(props)} onChange=${choose}>
      <option value="" selected=${!open && value === undefined}>${unsetText(field)}</option>
      ${field.choices.map((choice, index) => html`<option value=${index} selected=${!open && value === choice}>${wordOf(field, choice)}</option>`)}
      <option value=${OPEN} selected=${open}>${t(own.kind === "number" ? "A value of its own" : "A text of its own")}</option>
    </select>
    ${open && html`<${Open} field=${own} value=${value} onChange=${onChange} id="${props.id}-value" described=${props.id} />`}
  </span>`;
}

/** A port, or ADDRESS:PORT: digits alone are a number. */
export function Mixed(props) {
  const change = (text) => props.onChange(text && /^\d+$/.test(text) ? Number(text) : text);
  return html`<${Text} ...${props} value=${props.value === undefined ? undefined : String(props.value)} onChange=${change} />`;
}

/** Several values, one a line. */
export function Lines(props) {
  const { field, value, onChange } = props;
  const [text, setText] = useState("");
  const read = (typed) => {
    const found = typed.split("\n").map((line) => line.trim()).filter(Boolean);
    return found.length ? found.map((line) => (field.number ? numberOf(line, 1) : line)) : undefined;
  };
  const shown = JSON.stringify(read(text)) === JSON.stringify(value) ? text : (value || []).join("\n");
  const type = (event) => {
    setText(event.target.value);
    onChange(read(event.target.value));
  };
  return html`<textarea ...${common(props)} rows=${Math.min(6, Math.max(2, shown.split("\n").length))} value=${shown}
    placeholder=${t("One a line")} spellcheck=${false} onInput=${type}></textarea>`;
}

/** Any of some words. */
export function Several({ field, value, onChange }) {
  const turn = (choice) => (event) => {
    const rest = (value || []).filter((other) => other !== choice);
    const next = event.target.checked ? [...rest, choice] : rest;
    onChange(next.length ? next : undefined);
  };
  return html`<span class="checks">${field.choices.map((choice) => html`<label key=${choice} class="check">
    <input type="checkbox" checked=${(value || []).includes(choice)} onChange=${turn(choice)} />${wordOf(field, choice)}
  </label>`)}</span>`;
}

const clock = (hhmm) => `${String(Math.floor(hhmm / 100)).padStart(2, "0")}:${String(hhmm % 100).padStart(2, "0")}`;

/** Times of day: [[800, 1600]] is 08:00-16:00. */
export function Times(props) {
  const { value, onChange } = props;
  const read = (lines) => lines?.map((line) => {
    const found = /^(\d\d?):(\d\d)\s*[-–]\s*(\d\d?):(\d\d)$/.exec(line);
    return found ? [found[1] * 100 + Number(found[2]), found[3] * 100 + Number(found[4])] : line;
  });
  const lines = value?.map((range) => (Array.isArray(range) ? range.map(clock).join("-") : range));
  return html`<${Lines} ...${props} value=${lines} onChange=${(typed) => onChange(read(typed))} />`;
}

/** Names and values. */
export function Pairs({ field, value, onChange, id }) {
  const [rows, setRows] = useState(() => Object.entries(value || {}));
  const read = (pairs) => Object.fromEntries(pairs.filter(([name]) => name));
  const shown = JSON.stringify(read(rows)) === JSON.stringify(value || {}) ? rows : Object.entries(value || {});
  const set = (next) => {
    setRows(next);
    const found = read(next);
    onChange(Object.keys(found).length ? found : undefined);
  };
  const edit = (at, part) => (event) =>
    set(shown.map((pair, index) => (index === at ? pair.with(part, event.target.value) : pair)));
  return html`<span class="pairs">
    ${shown.map(([name, text], at) => html`<span class="pair" key=${at}>
      <input value=${name} aria-label=${t("Name {number} of {label}", { number: at + 1, label: field.label })}
        placeholder=${t("name")} onInput=${edit(at, 0)} autocomplete="off" />
      <input value=${text} aria-label=${t("Value {number} of {label}", { number: at + 1, label: field.label })}
        placeholder=${t("value")} onInput=${edit(at, 1)} autocomplete="off" />
      <button type="button" class="small danger" aria-label=${t("Remove {name}", { name: name || at + 1 })}
        onClick=${() => set(shown.filter((_, index) => index !== at))}>×</button>
    </span>`)}
    <button type="button" class="small" id=${id} onClick=${() => set([...shown, ["", ""]])}>${t("Add")}</button>
  </span>`;
}

export const CONTROLS = { text: Text, area: Area, secret: Secret, number: Quantity, choice: Choice, either: Either,
  mixed: Mixed, lines: Lines, set: Several, times: Times, map: Pairs };
