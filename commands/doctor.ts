import { existsSync, mkdirSync, statfsSync } from "node:fs";
import { availableParallelism, freemem, release } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { readArticle } from "../helpers/article/article.ts";
import { imageLockFor } from "../helpers/cluster/cells.ts";
import { findUserEngine } from "../helpers/engine/engine.ts";
import { lockHolder } from "../helpers/host/lock.ts";
import { main } from "../helpers/host/main.ts";
import { readSettings, type Settings } from "../helpers/host/settings.ts";
import { debianMirror } from "../helpers/source/debian.ts";
import { goVersion } from "../helpers/source/go.ts";
import { privateEngineLeftovers, privateEnginePlace } from "../helpers/source/private.ts";
import { kernelFeatures } from "../helpers/world/detect.ts";

/** Something a machine has or lacks, and what the lack of it costs; empty where it costs nothing. */
interface Row {
  readonly what: string;
  readonly here: string;
  readonly cost: string;
}

/** What this machine can do, in a table, and what each missing thing costs: in time, or in claims that cannot be judged. */
await main(async () => {
  const settings = readSettings();
  const engine = await findUserEngine();
  const root = process.getuid?.() === 0;
  const rows = [
    ...(await engineRows(engine, root)),
    ...(await imageRows(settings, engine !== undefined)),
    ...(await kernelRows()),
    {
      what: "registry",
      here: engine === undefined ? "the private engine has no way out" : "a run asks for it from a node",
      cost: engine === undefined ? costInClaims("uplink") : `without: ${costInClaims("uplink")}`,
    },
    {
      what: "nodes' addresses",
      here: engine === undefined ? "reached, in the private engine's network" : "a run tries to reach them",
      cost: engine === undefined ? "" : `without: ${costInClaims("host-reaches-nodes")}`,
    },
    ...machineRows(settings),
    engine === undefined
      ? leftBehind(settings)
      : { what: "left behind", here: "nothing looked for: the engine is the user's", cost: "" },
  ];
  const head = { what: "what", here: "on this machine", cost: "what it costs" };
  const width = (column: keyof Row, longest: number) =>
    Math.min(longest, Math.max(...[head, ...rows].map((row) => row[column].length))) + 2;
  const [first, second] = [width("what", 20), width("here", 60)];
  for (const { what, here, cost } of [head, ...rows])
    process.stdout.write(`${`${what.padEnd(first)}${here.padEnd(second)}${cost}`.trimEnd()}\n`);
  return engine === undefined && !root ? 2 : 0;
});

async function engineRows(engine: Awaited<ReturnType<typeof findUserEngine>>, root: boolean): Promise<Row[]> {
  if (engine !== undefined)
    return [
      {
        what: "container engine",
        here: `${engine.cli} ${engine.version}, cgroup ${engine.cgroup}`,
        cost: engine.cli === "docker" ? "" : costInClaims("docker"),
      },
    ];
  const unified = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const mirror = await asked(async () => `yes, for ${(await debianMirror()).codename}`);
  return [
    {
      what: "container engine",
      here: "none answers",
      cost:
        root && mirror.startsWith("yes")
          ? "a private one is unpacked at the first run: a minute"
          : "nothing can be checked: start Docker or Podman, or be root on Debian",
    },
    { what: "root", here: root ? "yes" : "no", cost: root ? "" : "no private engine" },
    { what: "Debian mirror", here: mirror, cost: mirror.startsWith("yes") ? "" : "no private engine, no image built" },
    {
      what: "cgroup",
      here: unified ? "v2" : "v1",
      cost: unified ? "" : "the kubelet's configuration is patched from Kubernetes 1.35 on",
    },
  ];
}

async function imageRows(settings: Settings, pulls: boolean): Promise<Row[]> {
  const { kind } = imageLockFor(settings);
  const onPath = await execa("kind", ["version", "--quiet"], { reject: false, stdin: "ignore" });
  const version = onPath.failed ? undefined : `v${onPath.stdout.trim()}`;
  const go = await asked(goVersion);
  const missing = go.startsWith("no");
  return [
    {
      what: "kind",
      here: version === undefined ? "not on PATH" : `${version} on PATH`,
      cost: version === kind.version ? "" : `${kind.version} is downloaded or built`,
    },
    {
      what: "Go",
      here: go,
      cost: missing
        ? `no image can be built${pulls ? ", only pulled" : ""}`
        : pulls
          ? ""
          : "a node image that is not in the cache is built: 17 minutes on 2 cores, a further version 8",
    },
  ];
}

/** A node shares the machine's kernel. A run tries these on a node; here they are tried in a network namespace of its own. */
async function kernelRows(): Promise<Row[]> {
  const { networkQueue, ipvs } = await kernelFeatures(
    async (script) => !(await execa("sh", ["-c", script], { reject: false, stdin: "ignore" })).failed,
  );
  return [
    { what: "kernel", here: release(), cost: "" },
    {
      what: "kernel: IP_VS",
      here: ipvs ? "yes" : "no",
      cost: ipvs ? "" : "the cells of ipvs",
    },
    {
      what: "kernel: NFT_QUEUE",
      here: networkQueue === undefined ? "not known: a run tries it on a node" : networkQueue ? "yes" : "no",
      cost:
        networkQueue === true ? "" : `${networkQueue === undefined ? "without: " : ""}${costInClaims("network-queue")}`,
    },
  ];
}

function machineRows({ cache }: Settings): Row[] {
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = statfsSync(cache);
  const free = (bavail * bsize) / 1e9;
  const memory = freemem() / 1e9;
  const cores = availableParallelism();
  return [
    {
      what: "disk",
      here: `${free.toFixed(1)} GB free below ${cache}`,
      cost: free < 5 ? "no run: it takes 5 GB" : free < 19 ? "no first run, which builds: it takes 19 GB" : "",
    },
    { what: "memory", here: `${memory.toFixed(1)} GB free`, cost: memory < 3 ? "a run takes 3 GB" : "" },
    { what: "processors", here: String(cores), cost: cores < 2 ? "KNC_TIMEOUT_FACTOR=2 at least" : "" },
    { what: "Node.js", here: process.version, cost: "" },
  ];
}

function leftBehind({ cache }: Settings): Row {
  const holder = lockHolder(join(cache, "run.lock"));
  const what = "left behind";
  if (holder !== undefined)
    return { what, here: `process ${holder.pid} is at work to ${holder.purpose}`, cost: "another run waits for it" };
  const found = privateEngineLeftovers(privateEnginePlace(cache));
  return { what, here: found.join(", ") || "nothing", cost: found.length === 0 ? "" : "npm run clean removes it" };
}

/** Says how many claims need a capability that is not there. */
function costInClaims(capability: string): string {
  const { article } = readSettings();
  // Whoever has no article yet asks what this machine can do, too.
  if (!existsSync(join(article, "article.yaml"))) return `claims that need ${capability} are external`;
  const claims = readArticle(article).claims.filter(
    ({ needs, expect }) => expect !== undefined && needs.includes(capability),
  );
  if (claims.length === 0) return "nothing";
  const some = claims.slice(0, 3).map(({ id }) => id);
  const more = claims.length > some.length ? ", …" : "";
  return `${claims.length} ${claims.length === 1 ? "claim" : "claims"} external: ${some.join(", ")}${more}`;
}

async function asked(what: () => Promise<string>): Promise<string> {
  return what().catch((error: Error) => `no: ${error.message}`);
}
