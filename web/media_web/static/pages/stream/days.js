// Days of the calendar as texts, "2026-11-27": they compare as they follow each other, and no change of the clocks
// makes one longer. What day a moment belongs to is the reader's local time.

/** A number of a date or a time of day. */
export const two = (number) => String(number).padStart(2, "0");
const parts = (day) => day.split("-").map(Number);
/** Of any numbers: month 13 is in the next year, day 0 the last of the month before. */
const dayOf = (year, month, day) => new Date(Date.UTC(year, month - 1, day)).toISOString().slice(0, 10);
/** 0 is Monday. */
const weekday = (day) => (new Date(`${day}T00:00Z`).getUTCDay() + 6) % 7;

/** The day of a moment in Unix seconds. */
export const dateText = (seconds) => {
  const day = new Date(seconds * 1000);
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
};

export const monthOf = (day) => day.slice(0, 7);

export const plusDays = (day, count) => {
  const [year, month, number] = parts(day);
  return dayOf(year, month, number + count);
};

/** The same day of another month, its last one where that is shorter. */
export const plusMonths = (day, count) => {
  const [year, month, number] = parts(day);
  const last = parts(dayOf(year, month + count + 1, 0))[2];
  return dayOf(year, month + count, Math.min(number, last));
};

/** The month of a day, in weeks from Monday on: seven days each, null where another month has them. */
export function weeksOf(day) {
  const month = monthOf(day);
  const weeks = [];
  for (let monday = plusDays(`${month}-01`, -weekday(`${month}-01`)); monthOf(monday) <= month; monday = plusDays(monday, 7)) {
    weeks.push(Array.from({ length: 7 }, (_, index) => plusDays(monday, index)).map((one) => (monthOf(one) === month ? one : null)));
  }
  return weeks;
}

/** The days of a month ("2026-11") of which something is recorded; `ranges`: {from, duration} in seconds. */
export function recordedDays(ranges, month) {
  const days = new Set();
  for (const { from, duration } of ranges) {
    if (!(duration > 0)) continue;
    const begin = dateText(from);
    // The end is no part of it: what ends at midnight is not of the day that begins.
    const end = dateText(from + duration - 0.001);
    if (monthOf(end) < month || monthOf(begin) > month) continue;
    const last = monthOf(end) > month ? `${month}-31` : end;
    for (let day = monthOf(begin) < month ? `${month}-01` : begin; day <= last && monthOf(day) === month; day = plusDays(day, 1)) days.add(day);
  }
  return days;
}

/** Where a key leads from a day, null if nowhere. */
export function stepped(day, key) {
  switch (key) {
    case "ArrowLeft": return plusDays(day, -1);
    case "ArrowRight": return plusDays(day, 1);
    case "ArrowUp": return plusDays(day, -7);
    case "ArrowDown": return plusDays(day, 7);
    case "Home": return plusDays(day, -weekday(day));
    case "End": return plusDays(day, 6 - weekday(day));
    case "PageUp": return plusMonths(day, -1);
    case "PageDown": return plusMonths(day, 1);
    default: return null;
  }
}

export const within = (day, first, last) => (day < first ? first : day > last ? last : day);
