// Times in the reader's own zone and language, and how long ago they are now.
import { all, whenShown } from "./page.js";

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const units = [["min", 1, 60], ["h", 60, 24], ["d", 1440, 30]];

function ago(at) {
  const minutes = Math.max(0, Math.floor((Date.now() - at) / 60000));
  if (minutes < 1) return "now";
  for (const [name, size, most] of units) {
    if (minutes < size * most) return `${Math.floor(minutes / size)} ${name}`;
  }
  return day.format(at);
}

const isSpan = (words) => units.some(([name]) => words.endsWith(` ${name}`));

function tell(root) {
  for (const time of all("time[datetime]", root)) {
    const at = new Date(time.dateTime);
    const long = time.matches("[data-full]") ? full.format(at) : ago(at);
    const words = time.matches("[data-waits]") ? `waiting ${long}`.replace(" now", "") : time.matches("[data-since]") && isSpan(long) ? `${long} ago` : long;
    if (time.textContent !== words) time.textContent = words;
    time.title = full.format(at);
  }
  for (const each of all("[data-moment]", root)) each.title = full.format(new Date(each.dataset.moment));
}

whenShown(tell);
setInterval(() => tell(document), 30000);
