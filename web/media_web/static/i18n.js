// Words of the UI: `t("Add stream")` is that text in the language that the reader chose.
//
// The English text is the key, so a text without a translation is shown in English. `{name}` in a
// text is replaced by the value of that name.

let words = {};

export const t = (text, values) => {
  const found = words[text] ?? text;
  return values ? found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole) : found;
};
