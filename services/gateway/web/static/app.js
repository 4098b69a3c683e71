// What scripts add to pages that work without them. Each module minds one thing.
import "./live.js"; // first: it keeps the page as the server wrote it
import "./times.js";
import "./menus.js";
import "./forms.js";
import "./drafts.js";
import "./choose.js"; // after the drafts: it reads what they bring back
import "./talk.js";
import "./keys.js";
import "./command.js";
import "./reports.js";
import "./mentions.js";
import "./presence.js";
import "./copy.js";
