// @ts-check
/** The pages that visitors read. */

import { reportHit } from "./beacon.js";
import { startBlogroll } from "./blogroll.js";
import { startComments } from "./comments.js";
import { startCounters } from "./counters.js";
import { startIndicator } from "./indicator.js";
import { live } from "./live.js";
import { startOffline } from "./offline.js";
import { Outbox } from "./outbox/outbox.js";
import { startSignedOut } from "./signed-out.js";
import { localiseTimes } from "./time.js";
import { startUser } from "./user.js";

const outbox = new Outbox();

localiseTimes(document);
startIndicator(live);
startCounters(live);
startComments(live, outbox);
startBlogroll(live);
startUser(live);
startSignedOut(live);
startOffline(live);
live.onState((state) => {
  if (state === "live") void outbox.flush();
});
live.start();
outbox.start();
reportHit();
