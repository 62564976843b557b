import { dropKept, howToUse, keepCluster, openCluster, withEngine } from "../helpers/cluster/lifecycle.ts";
import { keptRun } from "../helpers/cluster/runs.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { Progress } from "../helpers/host/progress.ts";
import { readSettings } from "../helpers/host/settings.ts";

/** `up`: make a cluster and keep it · `down`: delete it · `status`: say whether there is one, and how to use it. */
await main(async () => {
  const [word, ...rest] = process.argv.slice(2);
  if (rest.length > 0 || (word !== "up" && word !== "down" && word !== "status"))
    throw new UserError(
      `npm run cluster -- ${process.argv.slice(2).join(" ")} is not known`,
      "npm run cluster -- up|down|status",
    );
  const settings = readSettings();
  const kept = keptRun(settings.cache);
  if (word === "status" && kept === undefined) {
    process.stdout.write("no cluster is kept\n");
    return 0;
  }
  if (word === "down" && kept === undefined) {
    process.stdout.write("no cluster is kept: nothing to delete\n");
    return 0;
  }
  const progress = new Progress();
  await withEngine(
    settings,
    progress,
    interruption((line) => progress.say("signal", line)),
    async (session) => {
      if (word !== "up" && keptRun(settings.cache) === undefined) {
        process.stdout.write("no cluster is kept any more\n");
        return;
      }
      if (word === "down") {
        process.stdout.write(`deleted ${await dropKept(session)}\n`);
        return;
      }
      const cluster = await openCluster(session);
      if (cluster.fresh) keepCluster(session, cluster);
      process.stdout.write(`${cluster.name} is kept: ${cluster.nodes.join(", ")}\n${howToUse(cluster).join("\n")}\n`);
    },
  );
  return 0;
});
