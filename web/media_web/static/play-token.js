// Leave to watch streams that are not for everybody (`on_play`, tokens): the API gives a token for one
// stream to who may read it, good for a minute to begin with.

import { get, item } from "./api.js";
import { useEffect, useState } from "./vendor/htm-preact.js";

/** A token is not used in its last seconds: a player tries one protocol after another. */
const SLACK_SECONDS = 15;
const RENEW_MS = 40_000;
const REFUSED_SECONDS = 60;

/** By stream: {query, until}. */
const known = new Map();

/** `token=…` for addresses of this stream; null where the server gives none. */
export function playToken(name) {
  const found = known.get(name);
  if (found && performance.now() < found.until) return found.query;
  const asked = { until: Infinity };
  asked.query = get(`${item("streams", name)}/play_token`).then(
    ({ token, parameter, seconds }) => {
      asked.until = performance.now() + (seconds - SLACK_SECONDS) * 1000;
      return new URLSearchParams({ [parameter]: token }).toString();
    },
    () => {
      asked.until = performance.now() + REFUSED_SECONDS * 1000;
      return null;
    },
  );
  known.set(name, asked);
  return asked.query;
}

/** `url` with a query of `playToken`, which may be empty. */
export const withToken = (url, query) => (query ? `${url}${url.includes("?") ? "&" : "?"}${query}` : url);

/** For a player: whether viewers need leave, and how to ask for it. */
export const leaveOf = (stream) => ({ needed: Boolean(stream.on_play), ask: () => playToken(stream.name) });

/**
 * The query for addresses of a stream: "" where nobody needs one, undefined until it is known, null
 * where the server gives none; always fresh while `wanted`.
 */
export function usePlayToken(stream, wanted = true) {
  const { name } = stream;
  const needed = Boolean(stream.on_play);
  const [query, setQuery] = useState(undefined);
  useEffect(() => {
    if (!needed || !wanted) return undefined;
    let stopped = false;
    let timer;
    const renew = async () => {
      const found = document.hidden ? undefined : await playToken(name);
      if (stopped) return;
      if (found !== undefined) setQuery(found);
      timer = setTimeout(renew, RENEW_MS);
    };
    renew();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [name, needed, wanted]);
  return needed ? query : "";
}
