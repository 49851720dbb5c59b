// Builds the programs that are tested, once for all test files: npm runs it before the tests. See binaries.mjs.

import { execFileSync } from "node:child_process";

import { built, root } from "./binaries.mjs";

for (const { file, variable, source } of built) {
  if (process.env[variable]) continue;
  execFileSync("go", ["build", "-o", file, source], { cwd: root, stdio: "inherit" });
}
