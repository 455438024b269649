// Changes of a list of inputs, which may have changed since it was shown: each finds its input anew.

import { same } from "../../forms/draft.js";

/** Where `input` is now that was at `at`; -1 if it is gone. Of two alike it is the one at that place. */
export const placeOf = (list, input, at) =>
  at in list && same(list[at], input) ? at : list.findIndex((one) => same(one, input));

export function without(list, input, at) {
  const place = placeOf(list, input, at);
  return place < 0 ? list : list.toSpliced(place, 1);
}

export function moved(list, input, at, by) {
  const place = placeOf(list, input, at);
  if (place < 0 || !list[place + by]) return list;
  return list.with(place, list[place + by]).with(place + by, input);
}
