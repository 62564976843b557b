import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { z } from "zod";
import { readArticle } from "../../helpers/article/article.ts";
import { imageLockFor } from "../../helpers/cluster/cells.ts";
import { loadArchive } from "../../helpers/cluster/kind.ts";
import { openCluster, type RunningCluster, type Session, withEngine } from "../../helpers/cluster/lifecycle.ts";
import { inEngineNetwork } from "../../helpers/engine/engine.ts";
import { interruption, UserError } from "../../helpers/host/errors.ts";
import { Progress } from "../../helpers/host/progress.ts";
import { readSettings } from "../../helpers/host/settings.ts";
import { buildConformanceTests } from "../../helpers/source/conformance.ts";
import { PartStore } from "../../helpers/source/parts.ts";
import { engineTools } from "../../helpers/source/tools.ts";
import { type Comparison, comparisonFile } from "../../reports/conformance.ts";
import { collectResults } from "../../reports/results.ts";
import { beginRun, startSpecs, takeOutput, writeOutput } from "../running/specs.ts";
import { rounded } from "./npm.ts";

/** Those that are about the network, and that every cluster has to pass. */
const focus = String.raw`\[sig-network\].*\[Conformance\]`;
const tellEveryMs = 20_000;

const Report = z.array(
  z.object({
    SpecReports: z.array(
      z.object({
        LeafNodeType: z.string(),
        State: z.string(),
        ContainerHierarchyTexts: z.array(z.string()).nullable(),
        LeafNodeText: z.string(),
        Failure: z.object({ Message: z.string() }).optional(),
      }),
    ),
  }),
);

/**
 * Checks the article, then runs Kubernetes' own conformance tests of the network, one after the other on one cluster; writes down
 * for both how many, and how long they took.
 */
export async function benchConformance(): Promise<number> {
  const settings = readSettings();
  const article = readArticle(settings.article);
  const progress = new Progress();
  const interrupt = interruption((line) => progress.say("signal", line));
  using _ = await takeOutput(settings, (line) => progress.say("output", line), interrupt);
  const { value, leftovers } = await withEngine(settings, progress, interrupt, async (session) => {
    const cluster = await openCluster(session);
    const { program, image } = await testsFor(session, cluster);
    await beginRun(session, cluster, article, []);
    const begun = performance.now();
    await progress.phase("claims", async () => (await startSpecs(session, [])).ended());
    const seconds = (performance.now() - begun) / 1000;
    writeOutput(settings, "phases.json", progress.phases);
    const { claims, world } = collectResults(settings.out, article);
    const judged = claims.filter(({ verdict }) => verdict !== undefined);
    const unexpected = judged.filter(({ verdict, expected }) => verdict !== expected).map(({ id }) => id);
    return {
      date: new Date().toISOString().slice(0, 10),
      kubernetes: world.kubernetes,
      claims: { judged: judged.length, unexpected, seconds: rounded(seconds) },
      tests: { ...(await runTests(session, cluster, program)), images: image },
    } satisfies Comparison;
  });
  const { claims, tests } = value;
  const each = { claims: claims.seconds / claims.judged, tests: tests.seconds / tests.run };
  process.stdout.write(
    `${article.id}: ${claims.judged} claims, ${claims.unexpected.length} not as expected, ${claims.seconds} s, ${each.claims.toFixed(2)} s each\n` +
      `conformance tests of the network: ${tests.run}, ${tests.failed.length} failed, ${tests.seconds} s, ${each.tests.toFixed(2)} s each\n` +
      `a claim takes 1/${(each.tests / each.claims).toFixed(1)} of a test\n`,
  );
  for (const { name, why } of tests.failed) process.stdout.write(`failed: ${name}: ${why}\n`);
  const file = join(article.folder, comparisonFile);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`);
  process.stdout.write(`written: ${file}\n`);
  if (leftovers.length > 0) throw new UserError(`left behind: ${leftovers.join(", ")}`, "npm run clean");
  return claims.unexpected.length > 0 ? 1 : 0;
}

/** Returns the program of the tests, and has the nodes have their images where they cannot pull them. */
async function testsFor(
  session: Session,
  { kind, engine, name }: RunningCluster,
): Promise<{ program: string; image: "published" | "built" }> {
  const { settings, run, signal, progress } = session;
  const { cache, install } = settings;
  const lack = { what: "the program of the conformance tests is built here", remedy: "use Debian, as root" };
  return progress.phase("tests", async (say) => {
    const tools = session.tools ?? (await engineTools(new PartStore(cache), cache, install, say, signal, lack));
    const { kubernetes } = imageLockFor(settings).node;
    const { program, archive } = await buildConformanceTests(kubernetes, run.folder, { tools, cache, say, signal });
    if (engine.owner === "user") return { program, image: "published" };
    say("loading their images into the nodes");
    await loadArchive(kind, engine, name, archive, signal);
    return { program, image: "built" };
  });
}

async function runTests(
  { settings, progress, signal }: Session,
  { engine, kubeconfig }: RunningCluster,
  program: string,
): Promise<Pick<Comparison["tests"], "run" | "failed" | "seconds">> {
  const report = join(settings.out, "conformance-tests.json");
  const log = join(settings.out, "conformance-tests.log");
  const [command, ...words] = inEngineNetwork(engine, [
    program,
    ...[`--kubeconfig=${kubeconfig}`, "--provider=skeleton", "--dump-logs-on-failure=false", "--disable-log-dump"],
    ...[`--ginkgo.focus=${focus}`, `--ginkgo.json-report=${report}`, "--ginkgo.no-color", "--ginkgo.timeout=1h"],
  ]);
  return progress.phase("tests", async (say) => {
    say("Kubernetes' own conformance tests of the network, one after another");
    const begun = performance.now();
    const telling = setInterval(() => say("running"), tellEveryMs);
    rmSync(log, { force: true });
    const output = { file: log, append: true } as const;
    const options = { cancelSignal: signal, reject: false, stdin: "ignore", stdout: output, stderr: output } as const;
    const result = await execa(command, words, options).finally(() => clearInterval(telling));
    const seconds = rounded((performance.now() - begun) / 1000);
    signal.throwIfAborted();
    if (result.exitCode === undefined)
      throw new UserError(`the conformance tests were ended by ${result.signal}`, "look at free memory, and run again");
    const tests = Report.parse(JSON.parse(readFileSync(report, "utf8")))
      .flatMap(({ SpecReports }) => SpecReports)
      .filter(({ LeafNodeType, State }) => LeafNodeType === "It" && State !== "skipped");
    if (tests.length === 0) throw new UserError("the conformance tests ran none", `look at ${log}`);
    return {
      run: tests.length,
      failed: tests
        .filter(({ State }) => State !== "passed")
        .map(({ ContainerHierarchyTexts, LeafNodeText, Failure }) => ({
          name: [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(" "),
          why: (Failure?.Message ?? "").split("\n")[0]?.slice(0, 300) ?? "",
        })),
      seconds,
    };
  });
}
