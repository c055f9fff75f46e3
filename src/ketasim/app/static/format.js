// How numbers, times and ranges are written. Pure: nothing here reads the page.

/** Whether a value is a number that can be shown. */
export const finite = (value) => typeof value === "number" && Number.isFinite(value);

const MINUS = "\u2212";

/** A number with at most `digits` significant figures, a true minus sign and no false zeros. */
export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "no value";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const places = Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(size))));
  let text = size.toFixed(places);
  if (places > 0) text = text.replace(/\.?0+$/, "");
  if (size >= 1e4) text = Number(size.toPrecision(digits)).toLocaleString("en-US");
  return Number(text.replaceAll(",", "")) === 0 ? "0" : (value < 0 ? MINUS : "") + text;
}

/** A number with a fixed count of decimals, as the rows of the chain print it. */
export function fixed(value, decimals) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "no value";
  const text = Math.abs(value).toFixed(decimals);
  return (value < 0 && Number(text) !== 0 ? MINUS : "") + text;
}

/** A change, always with its sign. */
export function signed(value, digits = 3) {
  const text = number(value, digits);
  return value > 0 && text !== "0" ? `+${text}` : text;
}

/** A range in words: `−9.1 to −4.9`. */
export function range(low, high, digits = 3) {
  return `${number(low, digits)} to ${number(high, digits)}`;
}

/** The unit as it stands behind a number; a ratio has the times sign, a bare number none. */
export function unitText(unit) {
  if (!unit || unit === "1" || unit === "dimensionless") return "";
  return unit === "ratio" ? "\u00d7" : unit;
}

/** A number with its unit. */
export function quantity(value, unit, digits = 3) {
  const name = unitText(unit);
  return name ? `${number(value, digits)} ${name}` : number(value, digits);
}

/** A share of one as a whole percentage. */
export function percent(share) {
  return `${number(share * 100, 2)} %`;
}

/** A waiting time: `40 s`, `3 min`, `2 h`. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "unknown";
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${number(seconds / 3600, 2)} h`;
}

/** Time since the chosen dose on the flag: `54 min`, `3 h`, `day 4`, `week 6`, `2 d before`. */
export function timeLabel(tau) {
  if (Math.round(tau * 60) < 0) {
    if (tau > -2) return `${Math.round(-tau * 60)} min before`;
    return tau > -48 ? `${number(-tau, 2)} h before` : `${number(-tau / 24, 2)} d before`;
  }
  if (tau < 2) return `${Math.round(tau * 60)} min`;
  if (tau < 23.5) return `${number(tau, 2)} h`;
  if (tau <= 336) return `day ${number(tau / 24, 2)}`;
  return `week ${number(tau / 168, 2)}`;
}

const plural = (value, word) => `${number(value, 2)} ${word}${number(value, 2) === "1" ? "" : "s"}`;

/** Time since the chosen dose in words: `3 hours after dose 1`. */
export function timeWords(tau, dose = 1) {
  const size = Math.abs(tau);
  const side = tau < 0 ? "before" : "after";
  if (size * 60 < 0.5) return `at dose ${dose}`;
  if (size < 2) return `${plural(Math.round(size * 60), "minute")} ${side} dose ${dose}`;
  if (size < 23.5) return `${plural(size, "hour")} ${side} dose ${dose}`;
  if (size <= 336) return `${plural(size / 24, "day")} ${side} dose ${dose}`;
  return `${plural(size / 168, "week")} ${side} dose ${dose}`;
}

/** The first letter in upper case. */
export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}
