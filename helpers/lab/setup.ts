import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { readSettings } from "../host/settings.ts";
import { type Wait, waits } from "../probe/until.ts";

// One worker takes several spec files, and this file is run before each.
if (!waits.hasSubscribers) {
  const file = join(readSettings().out, "waits.jsonl");
  waits.subscribe((message) => {
    const { stack, ...wait } = message as Wait;
    const calls = stack.split("\n").flatMap((line) => /(?:specs|helpers)\/[^):]+/.exec(line) ?? []);
    const by = calls.find((call) => call.startsWith("specs/")) ?? calls.find((call) => !call.endsWith("/until.ts"));
    appendFileSync(file, `${JSON.stringify({ ...wait, by: by ?? "" })}\n`);
  });
}
