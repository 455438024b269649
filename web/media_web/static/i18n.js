// Words of the UI: `t("Add stream")` is that text in the language that the reader chose.
//
// The English text is the key, so a text without a translation is shown in English. `{name}` in a
// text is replaced by the value of that name.

const KEY = "media.language";
export const LANGUAGES = { en: "English", ru: "Русский" };
const CATALOGUES = { ru: () => Promise.all([import("./locales/ru.js"), import("./locales/ru.forms.js"), import("./locales/ru.reasons.js")]) };
/** Sent to the window when the words have changed. */
export const WORDS_CHANGED = "wordschanged";

let words = {};

export const t = (text, values) => {
  const found = words[text] ?? text;
  return values ? found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole) : found;
};

/** What a server says, in the reader's language where the catalogue has it; a value of it that is a reason, too. */
export function told(text) {
  if (typeof text !== "string" || !reasons.length || words[text]) return words[text] ?? text;
  for (const between of ["\n", ", or: "]) {
    if (text.includes(between)) return text.split(between).map(told).join(t(between));
  }
  for (const { pattern, translation } of reasons) {
    const { groups } = pattern.exec(text) || {};
    if (groups) return t(translation, { ...groups, ...("reason" in groups ? { reason: told(groups.reason) } : {}) });
  }
  return text;
}

let reasons = [];

const escaped = (text) => text.replace(/[.*+?^$()|[\]\\/]/g, "\\$&");

/** The texts with places for values, those that say most first: "{host}:{port}: {reason}" fits much. */
const patterns = (catalogue) =>
  Object.entries(catalogue).filter(([text]) => text.includes("{"))
    .map(([text, translation]) => ({ said: text.replace(/\{\w+\}/g, "").length, translation, pattern: new RegExp(`^${escaped(text).replace(/\{(\w+)\}/g, "(?<$1>.+?)")}$`, "s") }))
    .sort((one, other) => other.said - one.said);

/** The language that was chosen, else the first of the browser's that there is. */
export function language() {
  const wished = [localStorage.getItem(KEY), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wished.find((name) => Object.hasOwn(LANGUAGES, name)) || "en";
}

const merged = (modules) => Object.assign({}, ...modules.map((module) => module.default));

/** Fetches the words; without them the UI speaks English. */
export async function loadWords() {
  const name = language();
  const modules = name in CATALOGUES ? await CATALOGUES[name]().catch(() => []) : [];
  words = merged(modules);
  reasons = patterns(modules.at(-1)?.default || {});
  document.documentElement.lang = name;
  dispatchEvent(new Event(WORDS_CHANGED));
}

/** A moment (Unix ms) as its reader writes it: in the words' language, by the habits of the browser's country where it has that language. */
const habits = () => navigator.languages.find((tag) => tag.slice(0, 2) === language()) || language();
export const moment = (ms) => new Date(ms).toLocaleString(habits());
export const day = (ms, options) => new Date(ms).toLocaleDateString(habits(), options);
export const clock = (ms, options) => new Date(ms).toLocaleTimeString(habits(), options);

export function chooseLanguage(name) {
  localStorage.setItem(KEY, name);
  return loadWords();
}
