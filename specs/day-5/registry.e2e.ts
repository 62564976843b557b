import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { readArticle } from "../../helpers/article/article.ts";
import { Results } from "../../helpers/claim/results.ts";
import { type Engine, engineOutput, inEngineNetwork } from "../../helpers/engine/engine.ts";
import { projectRoot, readSettings } from "../../helpers/host/settings.ts";
import { builtKind, builtNodeImage } from "../../helpers/source/build.ts";
import { debianMirror, PrivateApt, unpack } from "../../helpers/source/debian.ts";
import { saveCarried } from "../../helpers/source/find.ts";
import { readImageLock } from "../../helpers/source/image-lock.ts";
import { labels } from "../../helpers/source/layers.ts";
import { PartStore } from "../../helpers/source/parts.ts";
import {
  clearPrivateEngine,
  privateEngineLeftovers,
  privateEnginePlace,
  startPrivateEngine,
} from "../../helpers/source/private.ts";
import { engineSuite, engineTools } from "../../helpers/source/tools.ts";
import { entryOf } from "../../reports/places.ts";
import { piecesOf, shownOf } from "../../reports/shown.ts";

const { cache } = readSettings();
const say = () => {};
const registry = "127.0.0.1:5000";

/** Claims that need a workload image each, and those of which the evidence is said by patterns, which only a real run can find. */
const article = readArticle(readSettings().article);
const claims = [
  ...["pods-talk-without-nat-on-one-node", "containers-reach-each-other-on-localhost", "dns-full-name"],
  ...["temporary-pod-is-temporary", "ingress-routes-http"],
  ...article.claims.filter(({ shown }) => shown !== undefined).map(({ id }) => id),
];

/** Runs `use` with a private engine of that place; what it keeps on disk stays, what it runs ends. */
async function withPrivateEngine<T>(placeOf: string, use: (engine: Engine) => Promise<T>): Promise<T> {
  const tools = await engineTools(new PartStore(cache), cache, "auto", say);
  const place = privateEnginePlace(placeOf);
  const engine = await startPrivateEngine(place, tools, "e2e", say, new AbortController().signal);
  try {
    return await use(engine);
  } finally {
    await clearPrivateEngine(place, tools);
  }
}

/** Starts Debian's docker-registry in the engine's network namespace; returns what ends it. */
async function startRegistry(engine: Engine, folder: string): Promise<() => Promise<void>> {
  const apt = new PrivateApt(join(cache, "apt"), await debianMirror(), [engineSuite]);
  await apt.update(say);
  await unpack(
    await apt.fetch([`docker-registry/${(await debianMirror()).codename}`], join(folder, "debs")),
    join(folder, "root"),
  );
  const config = join(folder, "registry.yml");
  writeFileSync(
    config,
    stringify({
      version: 0.1,
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: join(folder, "registry") } },
      http: { addr: registry },
    }),
  );
  const [command, ...words] = inEngineNetwork(engine, [
    join(folder, "root", "usr", "bin", "docker-registry"),
    "serve",
    config,
  ]);
  const running = execa(command, words, { reject: false, stdin: "ignore" });
  for (;;) {
    const [curl, ...rest] = inEngineNetwork(engine, ["curl", "--silent", "--fail", `http://${registry}/v2/`]);
    if (!(await execa(curl, rest, { reject: false })).failed) break;
    await delay(100);
  }
  return async () => {
    running.kill();
    await running;
  };
}

/** Pushes an image under a name of the registry and returns its reference by digest; the engine does not keep it under that name. */
async function publish(engine: Engine, local: string, name: string): Promise<string> {
  const reference = `${registry}/${name}`;
  if (local !== reference) await engineOutput(engine, ["tag", local, reference]);
  await engineOutput(engine, ["push", "--quiet", reference]);
  const digests = JSON.parse(
    await engineOutput(engine, ["image", "inspect", "--format", "{{json .RepoDigests}}", reference]),
  ) as string[];
  const digest = digests.find((entry) => entry.startsWith(registry))?.split("@")[1];
  await engineOutput(engine, ["image", "rm", "--force", reference]);
  return `${reference}@${digest}`;
}

/**
 * Publishes the built node image, without its labels and as a published one would be, and the workload images it carries; returns
 * their references by digest.
 */
async function publishAll(engine: Engine, folder: string): Promise<{ node: string; workloads: Map<string, string> }> {
  const lock = readImageLock();
  const image = builtNodeImage(lock);
  const { signal } = new AbortController();
  const archive = join(folder, "workloads.tar");
  const built = Object.entries(lock.workloads).map(
    ([name, workload]) => [name, `${workload.built}:${lock.node.kubernetes}`] as const,
  );
  const carried = built.map(([, reference]) => reference);
  await saveCarried(image, carried, engine, archive, { signal, label: "e2e" });
  await engineOutput(engine, ["load", "--input", archive]);
  rmSync(archive);
  const workloads = new Map<string, string>();
  for (const [name, reference] of built) workloads.set(name, await publish(engine, reference, `${name}:v1`));
  await engineOutput(engine, ["image", "rm", "--force", ...carried]);
  const bare = await engineOutput(engine, ["create", image]);
  const changes = Object.values(labels).flatMap((label) => ["--change", `LABEL ${label}=null`]);
  const name = "kindest/node:v1";
  await engineOutput(engine, [
    "commit",
    ...changes,
    "--change",
    'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
    bare,
    `${registry}/${name}`,
  ]);
  await engineOutput(engine, ["rm", bare]);
  return { node: await publish(engine, `${registry}/${name}`, name), workloads };
}

test("on a machine with an engine and a registry, those are used: pulled by digest, loaded into the nodes, engine left running", async () => {
  const folder = mkdtempSync(join(tmpdir(), "knc-registry-"));
  try {
    const lock = readImageLock();
    const published = await withPrivateEngine(cache, async (engine) => {
      const stop = await startRegistry(engine, folder);
      try {
        return await publishAll(engine, folder);
      } finally {
        await stop();
      }
    });
    // Another engine, which has nothing, and the same registry beside it.
    await withPrivateEngine(folder, async (engine) => {
      const stop = await startRegistry(engine, folder);
      try {
        const workloads = Object.fromEntries(
          Object.entries(lock.workloads).map(([name, workload]) => [
            name,
            { ...workload, published: published.workloads.get(name) },
          ]),
        );
        const lockFile = join(folder, "images.lock.yaml");
        writeFileSync(lockFile, stringify({ ...lock, node: { ...lock.node, published: published.node }, workloads }));
        expect(await engineOutput(engine, ["image", "ls", "--quiet"])).toBe("");

        const out = join(folder, "out");
        mkdirSync(out);
        // The engine's namespace has no way out, by which a kind program could be downloaded or built.
        const kind = await builtKind(lock.kind.version, cache, say, new AbortController().signal);
        const environment = {
          ...engine.environment,
          PATH: [dirname(kind.program), engine.environment["PATH"]].join(delimiter),
          KNC_IMAGE_LOCK: lockFile,
          KNC_OUT: out,
          KNC_CACHE: join(folder, "user-cache"),
        };
        const [command, ...words] = inEngineNetwork(engine, ["npm", "test", "--", "-t", `^(${claims.join("|")})$`]);
        const { exitCode, all } = await execa(command, words, {
          cwd: projectRoot,
          env: environment,
          reject: false,
          all: true,
          stdin: "ignore",
        });
        expect(exitCode, all).toBe(0);
        const {
          world,
          claims: judged,
          complete,
        } = Results.parse(JSON.parse(readFileSync(join(out, "results.json"), "utf8")));
        expect(complete).toBe(true);
        expect(judged.filter(({ verdict, expected }) => verdict !== expected).map(({ id, why }) => [id, why])).toEqual(
          [],
        );
        const lost = judged.filter((claim) => {
          const pattern = entryOf(claim.id, article).shown;
          if (claim.verdict !== "refuted" || pattern === undefined) return false;
          return shownOf(piecesOf(out, claim), claim, pattern) === undefined;
        });
        expect(lost.map(({ id }) => id)).toEqual([]);
        expect(world.engine.owner).toBe("user");
        expect(world.provenance["node image"]).toContain(published.node);
        expect(world.provenance["node image"]).toMatch(/, pulled$/);
        expect(world.images).toEqual(
          Object.fromEntries(Object.keys(lock.workloads).map((name) => [name, `${registry}/${name}:v1`])),
        );
        // The user's engine runs on, with nothing of the run on it but the images it pulled.
        expect(await engineOutput(engine, ["ps", "--all", "--quiet"])).toBe("");
      } finally {
        await stop();
      }
    });
    expect(privateEngineLeftovers(privateEnginePlace(folder))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
