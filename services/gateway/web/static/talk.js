// A transcript: its days are the reader's own, and what is newest is in view unless somebody reads further up.
import { all, element, whenShown } from "./page.js";

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const NEAR = 120;
let wasAtEnd = true;

function breakDays(talk) {
  for (const line of all(".day", talk)) line.remove();
  let last = "";
  for (const message of all(".story > [id]", talk)) {
    const time = message.querySelector("time");
    const words = day.format(new Date(time.dateTime));
    if (words !== last) message.before(element("li", { class: "day" }, words));
    last = words;
  }
}

const toEnd = () => window.scrollTo(0, document.documentElement.scrollHeight);

whenShown((root) => {
  const talk = root.id === "transcript" ? root : root.querySelector("[data-talk]");
  if (!talk) return;
  breakDays(talk);
  if (wasAtEnd && !talk.querySelector("[rel=next]")) toEnd();
});
document.addEventListener("scroll", () => {
  wasAtEnd = window.innerHeight + window.scrollY > document.documentElement.scrollHeight - NEAR;
}, { passive: true });
