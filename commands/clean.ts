import { rmSync } from "node:fs";
import { dropKept, withEngine } from "../helpers/cluster/lifecycle.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { Progress } from "../helpers/host/progress.ts";
import { readSettings } from "../helpers/host/settings.ts";

/** Removes a kept cluster, what dead runs left, and the caches: the next run builds everything anew. */
await main(async () => {
  const settings = readSettings();
  const progress = new Progress();
  const { leftovers } = await withEngine(
    settings,
    progress,
    interruption((line) => progress.say("signal", line)),
    async (session) => {
      const dropped = await dropKept(session);
      if (dropped !== undefined) progress.say("clean", `deleted ${dropped}`);
    },
  );
  if (leftovers.length > 0) throw new UserError(`still there: ${leftovers.join(", ")}`, "end them by hand");
  rmSync(settings.cache, { recursive: true, force: true });
  rmSync(settings.out, { recursive: true, force: true });
  process.stdout.write(`removed ${settings.cache} and ${settings.out}\n`);
  return 0;
});
