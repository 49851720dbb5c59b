// Where the programs are that are tested: where REALTIME_BIN and CHAT_BIN say, or where `npm test` builds them.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(dirname(fileURLToPath(import.meta.url)));

/** The root of the repository. */
export const root = dirname(here);

/** Where tests put what a person may want to look at. */
export const out = join(here, ".out");

export const built = [
  { name: "realtime-svc", variable: "REALTIME_BIN", source: "./cmd/realtime-svc", file: join(here, ".build", "realtime-svc") },
  { name: "chat", variable: "CHAT_BIN", source: "./examples/chat", file: join(here, ".build", "chat") },
];

/** binary is the path of one of the programs. */
export function binary(name) {
  const { variable, file } = built.find((one) => one.name === name);
  const path = process.env[variable] || file;
  if (!existsSync(path)) throw new Error(`${path} is not there: run \`npm run build\` in e2e, or set ${variable}`);
  return path;
}
