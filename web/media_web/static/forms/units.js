// Quantities as people write them: a number and a unit that they choose.

const SCALES = {
  seconds: [["s", 1], ["min", 60], ["h", 3600], ["days", 86400]],
  milliseconds: [["ms", 1], ["s", 1000]],
  bytes: [["B", 1], ["KiB", 2 ** 10], ["MiB", 2 ** 20], ["GiB", 2 ** 30], ["TiB", 2 ** 40]],
  speed: [["bit/s", 1], ["kbit/s", 1000], ["Mbit/s", 1e6]],
  percents: [["%", 1]],
  pixels: [["px", 1]],
};

/** Units of fields whose schema names none. */
const BY_NAME = { chunk_duration: "milliseconds", replication_speed: "speed", sample_rate: "hertz",
  width: "pixels", height: "pixels", output_dts_shift: "milliseconds" };

export const scaleOf = (field) => SCALES[field.format || BY_NAME[field.name]] || [];

/** The unit to show a value in: the largest that leaves a whole number. */
export function unitFor(scale, value) {
  const fitting = scale.filter(([, factor]) => value && value % factor === 0);
  if (fitting.length) return fitting.at(-1);
  return scale[Math.min(scale[0]?.[0] === "B" ? 3 : scale[0]?.[0] === "bit/s" ? 1 : 0, scale.length - 1)];
}

/** A quantity in words: 90000 of milliseconds is "90 s". */
export function inWords(field, value) {
  if (typeof value !== "number") return String(value);
  const scale = scaleOf(field);
  if (!scale.length) return String(value);
  const [word, factor] = value ? unitFor(scale, value) : scale[0];
  return `${value / factor} ${word}`;
}
