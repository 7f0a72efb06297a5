// @ts-check
/** The pages that visitors read. */

import { reportHit } from "./beacon.js";
import { startBlogroll } from "./blogroll.js";
import { startComments } from "./comments.js";
import { startCounters } from "./counters.js";
import { startIndicator } from "./indicator.js";
import { live } from "./live.js";
import { localiseTimes } from "./time.js";

localiseTimes(document);
startIndicator(live);
startCounters(live);
startComments(live);
startBlogroll(live);
live.start();
reportHit();
