// What the server's own JSON schema (openapi.json) says of a setting: which control it needs, its
// bounds and defaults, and whether anything reads it (`x-no-effect`, `x-schemes`, a description that begins with a scheme).

import { get } from "../api.js";

/** Asked once, and again after a failure. */
let openapi;
export const schemas = () =>
  (openapi ??= get("/openapi.json").then(
    (document) => document.components.schemas,
    (error) => {
      openapi = undefined;
      throw error;
    },
  ));

const LONG = 4096;
const modelOf = (schema) => schema.$ref?.split("/").at(-1);

/** One alternative as choices: booleans, words and fixed values; null if it is open. */
function choicesOf(option) {
  if (option.enum) return option.enum;
  if ("const" in option) return [option.const];
  return option.type === "boolean" ? [true, false] : null;
}

function arrayKind(items) {
  if (items.$ref) return { kind: "list", model: modelOf(items) };
  if (items.enum) return { kind: "set", choices: items.enum };
  if (items.type === "array") return { kind: "times" };
  return { kind: "lines", number: items.type === "integer", bounds: items };
}

function openKind(option) {
  if (option.$ref) return { kind: "object", model: modelOf(option) };
  if (option.type === "array") return arrayKind(option.items);
  if (option.type === "object") return { kind: "map" };
  if (option.type === "integer" || option.type === "number") {
    return { kind: "number", integer: option.type === "integer", format: option.format,
      minimum: option.minimum ?? option.exclusiveMinimum, maximum: option.maximum };
  }
  if (option.format === "password") return { kind: "secret" };
  return { kind: option.maxLength >= LONG ? "area" : "text", maxLength: option.maxLength };
}

/**
 * A setting: {name, kind, help, unset, noEffect, schemes, unservedSchemes, required, …}. Kinds:
 * text, area, secret, number, choice (of `choices`), either (`choices` or `open`), mixed (text or
 * number), lines, set, times, map, object (`model`), list (of `model`).
 */
export function fieldOf(name, schema, required) {
  const options = (schema.anyOf || [schema]).filter((option) => option.type !== "null");
  const closed = options.map(choicesOf);
  const choices = closed.filter(Boolean).flat();
  const open = options.filter((_, index) => !closed[index]);
  const scalars = open.length > 1;
  const kind = scalars ? { kind: "mixed" } : open.length ? openKind(open[0]) : { kind: "choice" };
  return {
    name,
    ...kind,
    ...(choices.length ? { choices } : {}),
    ...(choices.length && open.length ? { kind: "either", open: kind } : {}),
    help: helpOf(schema),
    unset: unsetOf(schema),
    noEffect: schema["x-no-effect"],
    schemes: schema["x-schemes"],
    protocol: /^([a-z0-9]+):\/\/: /.exec(schema.description || "")?.[1],
    unservedSchemes: schema["x-unserved-schemes"],
    required,
  };
}

const DEFAULT = /(?:^|\s)Default:? (?!of )([^.]+(?:\.\d[^.]*)?)\.(?=\s|$)/;

/** What holds while nothing is set: a value, or words out of the description. */
function unsetOf(schema) {
  if (schema.default != null) return { value: schema.default };
  const words = DEFAULT.exec(schema.description || "")?.[1];
  if (!words || words === "none") return {};
  if (words === "true" || words === "false") return { value: words === "true" };
  return /^[\d.]+$/.test(words) ? { value: Number(words) } : { words };
}

/** The description without its default, which the control shows. */
const helpOf = (schema) => (schema.description || "").replace(DEFAULT, "").trim();

/** Whether a setting says anything of URLs with `scheme`. */
export const belongsTo = (field, scheme = "") =>
  field.schemes ? field.schemes.includes(scheme) : !field.protocol || scheme.startsWith(field.protocol);

export const fieldsOf = (all, model) =>
  Object.entries(all[model]?.properties || {}).map(([name, schema]) =>
    fieldOf(name, schema, (all[model].required || []).includes(name)),
  );
