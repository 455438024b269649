// The page of who may not have the player: its words in the reader's language, where there are any.

import { wordsOf } from "./words.js";

const words = await wordsOf(new URLSearchParams(location.search).get("lang"));
for (const element of document.querySelectorAll("[data-words]")) element.textContent = words(element.textContent);
