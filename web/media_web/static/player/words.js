// The player page in the reader's language: the catalogues are those of the UI, fetched only where
// one is needed. Nothing is stored: a page in a foreign frame may not.

const CATALOGUES = { ru: () => import("../locales/ru.js") };

/** Promises `words(text)`. `wished`: a language that comes before the browser's own. */
export async function wordsOf(wished) {
  const tags = [wished, ...navigator.languages].filter(Boolean).map((tag) => tag.slice(0, 2).toLowerCase());
  const name = tags.find((tag) => tag === "en" || Object.hasOwn(CATALOGUES, tag)) ?? "en";
  const known = await CATALOGUES[name]?.().then((module) => module.default, () => ({}));
  document.documentElement.lang = known && Object.keys(known).length ? name : "en";
  return (text) => known?.[text] ?? text;
}
