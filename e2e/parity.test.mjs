// The same raw scenarios against the Node reference and against the service: the answers must be the same, but for differences that say why.

import "./support/parity/engine.mjs";
