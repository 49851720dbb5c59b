// The scenarios of the matrix against the Node reference: what they expect is what Socket.IO does.

import { matrix } from "./support/matrix/matrix.mjs";
import { ReferenceTarget } from "./support/matrix/reference.mjs";

matrix(ReferenceTarget);
