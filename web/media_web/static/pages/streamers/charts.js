// What the history of a streamer is drawn as, the same in Central and on the streamer itself.

import { UNITS } from "../history.js";

/** `streams`: under which name the streams that run are counted. */
export const serverCharts = (streams) => [
  { title: "CPU and memory", unit: UNITS.percent, series: [{ key: "cpu", title: "CPU" }, { key: "memory", title: "memory" }] },
  { title: "Traffic", unit: UNITS.kbit, series: [{ key: "output_kbit", title: "out" }, { key: "input_kbit", title: "in" }] },
  { title: "Viewers", unit: UNITS.count, series: [{ key: "clients", title: "mean" }, { key: "clients_max", title: "most" }] },
  { title: "Streams that run", unit: UNITS.count, series: [{ key: streams, title: "streams" }] },
];
