// Every generation of the stock client, and Python's, against the service. matrix-reference.test.mjs proves the scenarios.

import { matrix } from "./support/matrix/matrix.mjs";
import { OurTarget } from "./support/matrix/ours.mjs";

matrix(OurTarget);
