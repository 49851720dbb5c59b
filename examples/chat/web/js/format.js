// How people, times and sizes are shown.

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const list = new Intl.ListFormat("en", { style: "long", type: "conjunction" });

export const timeOf = (ms) => clock.format(ms);
export const dayKey = (ms) => new Date(ms).toDateString();

export function dayOf(ms) {
  if (dayKey(ms) === dayKey(Date.now())) return "Today";
  if (dayKey(ms) === dayKey(Date.now() - 86_400_000)) return "Yesterday";
  return weekday.format(ms);
}

export function bytes(n) {
  return n < 1_000_000 ? `${Math.round(n / 1000)} KB` : `${(n / 1_000_000).toFixed(1)} MB`;
}

/** names joins up to three nicknames: "Ada, Grace and 2 others". */
export function names(all) {
  return all.length <= 3 ? list.format(all) : list.format([...all.slice(0, 2), `${all.length - 2} others`]);
}

/** initials of a nickname: two words give two letters, one word gives its first two. */
export function initials(nickname) {
  const words = nickname.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [first(words[0]), first(words[1])] : [...(words[0] ?? "?")].slice(0, 2);
  return letters.join("").toUpperCase();
}

const first = (word) => [...word][0];

/** Angles of the colour circle that are told apart easily and carry white letters; what lies between yellow and olive does not. */
const HUES = [8, 28, 48, 145, 165, 190, 220, 245, 265, 285, 305, 325, 345];

/** hue of a nickname, the same in every page. */
export function hue(nickname) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(nickname.toLowerCase())) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return HUES[(hash >>> 8) % HUES.length];
}
