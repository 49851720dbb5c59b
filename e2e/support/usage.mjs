// What a process holds.

import { readdirSync, readFileSync } from "node:fs";

import { eventually } from "./inbox.mjs";

/** usage is {fds, rss}: how many descriptors are open, and the resident memory in bytes. */
export function usage(pid) {
  const [, rss] = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB$/m);
  return { fds: readdirSync(`/proc/${pid}/fd`).length, rss: Number(rss) * 1024 };
}

/** comesBack waits until a process holds no more descriptors than before, and no more memory than before and slack bytes. */
export async function comesBack(pid, before, slack) {
  let now;
  const back = () => {
    now = usage(pid);
    return now.fds <= before.fds && now.rss <= before.rss + slack;
  };
  await eventually(back, () => `the process to hold what it held before: ${JSON.stringify(before)}, not ${JSON.stringify(now)}`, 30_000);
  return now;
}
