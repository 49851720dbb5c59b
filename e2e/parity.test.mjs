// The same raw scenarios against the Node reference and against the service: the answers must be the same, but for differences that say why.

import "./support/parity/engine.mjs";
import "./support/parity/polling.mjs";
import "./support/parity/frames.mjs";
import "./support/parity/upgrade.mjs";
import "./support/parity/cors.mjs";
import "./support/parity/bundle.mjs";
import "./support/parity/revision3.mjs";
import "./support/parity/socketio.mjs";
