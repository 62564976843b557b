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
    appendFileSync(
      file,
      `${JSON.stringify({ ...wait, by: calls.find((call) => !call.endsWith("/until.ts")) ?? "" })}\n`,
    );
  });
}
