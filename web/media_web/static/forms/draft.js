// What somebody changes and has not saved yet: kept while he looks at other pages, and while the
// server is away; only what differs from what was there before is sent.

import { useRef, useState } from "../vendor/htm-preact.js";

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export function same(one, other) {
  if (one === other) return true;
  if (one == null || other == null) return one == null && other == null;
  if (Array.isArray(one) || Array.isArray(other)) {
    return Array.isArray(one) && Array.isArray(other) && one.length === other.length &&
      one.every((item, index) => same(item, other[index]));
  }
  if (!isObject(one) || !isObject(other)) return false;
  return Object.keys({ ...one, ...other }).every((key) => same(one[key], other[key]));
}

/** The JSON merge (RFC 7386) that makes `after` of `before`. */
export function difference(before, after) {
  const patch = {};
  for (const key of Object.keys({ ...before, ...after })) {
    const [old, now] = [before[key], after[key]];
    if (same(old, now)) continue;
    if (now == null) patch[key] = null;
    else patch[key] = isObject(old) && isObject(now) ? difference(old, now) : now;
  }
  return patch;
}

/** `object` with `key` set to `value`, or without it. */
export function withValue(object, key, value) {
  const { [key]: _, ...rest } = object || {};
  return value === undefined ? rest : { ...object, [key]: value };
}

const drafts = new Map();

/**
 * The draft of `key`: {value, before, patch, changed, change(value), discard(), settle(sent)}; without one
 * it is `saved`, and `before` is what was there when it was begun. `settle`: `sent` has been saved, so it is what there is until `saved` is told anew; what was
 * typed while it was sent stays a draft.
 */
export function useDraft(key, saved) {
  const [, render] = useState(0);
  const told = useRef(saved);
  told.current = saved;
  const settled = drafts.get(key);
  if (settled?.until && !same(settled.until, saved)) drafts.delete(key);
  const draft = drafts.get(key);
  const before = draft ? draft.before : saved;
  const value = draft ? draft.value : saved;
  const discard = () => {
    drafts.delete(key);
    render((count) => count + 1);
  };
  const settle = (sent = value) => {
    const typed = drafts.get(key);
    if (typed && !typed.until && !same(typed.value, value)) drafts.set(key, { before: sent, value: typed.value });
    else drafts.set(key, { before: sent, value: sent, until: told.current });
    render((count) => count + 1);
  };
  const change = (next) => {
    if (!same(before, next)) drafts.set(key, { before, value: next });
    else if (!draft?.until) drafts.delete(key);
    render((count) => count + 1);
  };
  const patch = difference(before, value);
  return { value, before, patch, changed: Object.keys(patch).length, change, discard, settle };
}
