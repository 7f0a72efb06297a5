// @ts-check
/** The admin panel. */

import { startDashboard } from "./admin/dashboard.js";
import { startEditor } from "./admin/editor.js";
import { startElsewhere } from "./admin/elsewhere.js";
import { startForms } from "./admin/forms.js";
import { startFragments } from "./admin/fragments.js";
import { startImages } from "./admin/images.js";
import { startProgress } from "./admin/progress.js";
import { startCounters } from "./counters.js";
import { startIndicator } from "./indicator.js";
import { live } from "./live.js";
import { startSignedOut } from "./signed-out.js";
import { localiseTimes } from "./time.js";

localiseTimes(document);
startIndicator(live);
startCounters(live);
startDashboard(live);
startFragments(live);
startProgress(live);
startElsewhere(live);
startSignedOut(live);
startForms();
startImages();
startEditor();
live.start();
