// State that comes from the server or from the address bar.

import { useCallback, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { get } from "./api.js";

/** After what the reader does here its effect is looked for so many times as often, for this long. */
const HURRY = 4;
const HURRY_MS = 10_000;

/**
 * The answer of GET `path`, asked again every `intervalMs` while the page is visible.
 * Returns {data, error, reload}; the last good data stay while an error lasts, and while the answer
 * of another path is awaited (the next page of a list). `reload` is for who has changed something.
 */
export function usePolled(path, intervalMs = 2000) {
  const [state, setState] = useState({ data: null, error: null });
  const [round, setRound] = useState(0);
  const hurryUntil = useRef(0);
  useEffect(() => {
    let stopped = false;
    let timer;
    const ask = async () => {
      if (!document.hidden) {
        try {
          const data = await get(path);
          if (!stopped) setState({ data, error: null });
        } catch (error) {
          if (!stopped) setState((before) => ({ data: before.data, error }));
        }
      }
      const hurries = performance.now() < hurryUntil.current;
      if (!stopped) timer = setTimeout(ask, hurries ? intervalMs / HURRY : intervalMs);
    };
    ask();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [path, intervalMs, round]);
  const reload = useCallback(() => {
    hurryUntil.current = performance.now() + HURRY_MS;
    setRound((n) => n + 1);
  }, []);
  return { ...state, reload };
}

/** The route in the fragment: `#/streams/sport%2Fone?tab=output` gives {parts, query}. */
export function useRoute() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const update = () => setHash(location.hash);
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return {
    parts: path.split("/").filter(Boolean).map(decoded),
    query: new URLSearchParams(query),
  };
}

/** Changes the query of the address: null and "" take a key out. The step back stays what it was. */
export function setQuery(route, changes) {
  const query = new URLSearchParams(route.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value == null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, "", link(...route.parts) + (text ? `?${text}` : ""));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by hand, with a lone percent sign
  }
}

export const link = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");

/** The tab that the route names, the first of `tabs` ({key: title}) without one. */
export const tabOf = (route, tabs) => {
  const tab = route.query.get("tab");
  return Object.hasOwn(tabs, tab) ? tab : Object.keys(tabs)[0];
};
