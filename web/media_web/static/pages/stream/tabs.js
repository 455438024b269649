// The tabs of a stream's page, in order: a row each, and a file of its own for what it shows.
//
// `shown(ui, stream)` says whether the tab is there. `Body` gets {stream, ui, fixed, route,
// onDone}: the stream as it was read last, what the server's `ui_settings` say, whether it may not be
// changed here, the address, and what to call after a change so that the stream is read again.

import { Archive } from "./archive.js";
import { Inputs } from "./inputs.js";
import { Log } from "./log.js";
import { Output } from "./output.js";
import { Overview } from "./overview.js";
import { Push } from "./push.js";
import { Settings } from "./settings.js";
import { Text } from "./text.js";
import { Use } from "./use.js";

const always = () => true;
/** Only Central keeps a history. */
const inCentral = (ui) => ui.product === "central";

const TABS = [
  { key: "overview", title: "Overview", Body: Overview, shown: always },
  { key: "input", title: "Input", Body: Inputs, shown: always },
  { key: "output", title: "Output", Body: Output, shown: always },
  { key: "archive", title: "Archive", Body: Archive, shown: always },
  { key: "push", title: "Push", Body: Push, shown: always },
  { key: "settings", title: "Settings", Body: Settings, shown: always },
  { key: "text", title: "Text", Body: Text, shown: always },
  { key: "use", title: "How to use", Body: Use, shown: always },
  { key: "log", title: "Log", Body: Log, shown: inCentral },
];

export const tabsOf = (ui, stream) => TABS.filter((tab) => tab.shown(ui, stream));
