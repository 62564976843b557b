import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Results } from "../helpers/claim/results.ts";
import { ownLabel } from "../helpers/claim/world.ts";
import { engineOfKept } from "../helpers/cluster/lifecycle.ts";
import { containerNodes, controlPlaneContainers, kubectlOnNode } from "../helpers/cluster/nodes.ts";
import { keptRun } from "../helpers/cluster/runs.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";

/** A step of docs/bring-your-own-article.md: commands that are typed, or a file that is written. */
interface Step {
  readonly language: string;
  readonly file: string | undefined;
  readonly text: string;
}

const page = readFileSync(join(projectRoot, "docs", "bring-your-own-article.md"), "utf8");
const steps: Step[] = [...page.matchAll(/^(`{3,})(\w+)(?: (\S+))?\n([^]*?)^\1$/gm)].map(
  ([, , language = "", file, text = ""]) => ({ language, file, text }),
);
const needsCluster = (command: string) => ["npx knc check", "npx knc controls"].includes(command);

const { version } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { version: string };

/** An empty folder of a user's, with the package's file in it. */
const folder = mkdtempSync(join(tmpdir(), "own-article-"));
const article = join(folder, "services");
const out = join(article, "knc-out");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A user's variables: without those of the project's own npm and vitest, and without its programs. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_|VITEST|KNC_(?!CACHE|TIMEOUT_FACTOR)|INIT_CWD|NODE_ENV|NODE_OPTIONS|TEST$)/.test(name),
  ),
);
environment["PATH"] = process.env["PATH"]
  ?.split(delimiter)
  .filter((place) => !place.startsWith(projectRoot))
  .join(delimiter);

/** Types a command as the user, and returns how it ended and what it said. */
async function typed(command: string) {
  return execa("sh", ["-c", command], {
    ...{ cwd: folder, extendEnv: false, env: environment },
    ...{ reject: false, all: true, stdin: "ignore" },
  });
}

/** Returns the namespaces of the suite's in the kept cluster that nobody has had deleted. */
async function namespacesLeft(): Promise<string> {
  const settings = readSettings();
  const kept = keptRun(settings.cache);
  if (kept === undefined) throw new Error("no cluster is kept");
  const engine = await engineOfKept(settings, kept, () => {}, AbortSignal.timeout(60_000));
  const [controlPlane = ""] = await controlPlaneContainers(engine, kept.cluster);
  const selected = [`--selector=${ownLabel}`, "--field-selector=status.phase=Active", "--output=name"];
  const command = [...kubectlOnNode, "get", "namespaces", ...selected];
  const { failed, stdout, stderr } = await containerNodes(engine).run(controlPlane, command);
  return failed ? stderr : stdout;
}

beforeAll(async () => {
  await execa("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: projectRoot, stdin: "ignore" });
});

describe("an article of somebody else's", () => {
  test("without a cluster: the page's commands and files, in its order", async () => {
    expect(steps.filter(({ language }) => language === "sh").length).toBeGreaterThan(4);
    expect(
      steps.flatMap(({ language, text }) => (language === "sh" ? text.trim().split("\n") : [])).filter(needsCluster),
    ).toHaveLength(2);
    for (const { language, file, text } of steps) {
      if (file !== undefined) {
        // What is filled in was made by a command before; only the text and its picture are the user's own.
        if (file.includes("/")) expect(existsSync(join(folder, file)), `${file} was made by a command`).toBe(true);
        mkdirSync(dirname(join(folder, file)), { recursive: true });
        writeFileSync(join(folder, file), text);
        continue;
      }
      expect(language, "a block is commands, or a file with its name").toBe("sh");
      for (const command of text
        .trim()
        .split("\n")
        .filter((line) => !needsCluster(line))) {
        const { exitCode, all } = await typed(command);
        expect(exitCode, `${command}\n${all}`).toBe(0);
      }
    }
    const { stdout } = await typed("npx knc claims");
    expect(stdout).toContain("100 % of the text is covered; nobody has looked yet at 6 of its sentences (todo)");
    expect(stdout).toMatch(/3 {2}refuted {3}cluster-ip-answers-outside/);
    expect(readdirSync(article).toSorted()).toEqual([
      ".gitignore",
      ...["01-introduction.claims.yaml", "02-from-outside.claims.yaml", "02-from-outside.spec.ts"],
      "article.yaml",
    ]);
  });

  test("without a cluster: the package's types are those of a spec", async () => {
    const config = {
      compilerOptions: {
        module: "nodenext",
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        lib: ["es2025", "esnext"],
        types: [],
      },
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ ...config, include: ["services/*.ts"] }));
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ ...JSON.parse(readFileSync(join(folder, "package.json"), "utf8")), type: "module" }),
    );
    const tsc = (): Promise<{ exitCode?: number; all: string }> =>
      execa("tsc", ["-p", folder], { preferLocal: true, localDir: projectRoot, reject: false, all: true });
    expect(await tsc()).toMatchObject({ exitCode: 0, all: "" });
    const spec = join(article, "02-from-outside.spec.ts");
    const text = readFileSync(spec, "utf8");
    writeFileSync(spec, text.replace("outside.outcome", "outside.income"));
    expect((await tsc()).all).toContain("'income'");
    writeFileSync(spec, text);
  });

  test.each([
    ["npx knc", /^error: no command is named – knc --help lists them$/],
    ["npx knc colour", /^error: there is no command colour – knc --help lists them$/],
    ["npx knc new", /^error: name one file of Markdown – npx knc new FILE\.md/],
    ["npx knc new none.md", /^error: there is no file none\.md – npx knc new FILE\.md/],
    ["npx knc new services.md", /^error: .*services is there already – remove it, or give the file another name$/],
    ["npx knc new-claim Id", /^error: Id is no id: it must be kebab-case – npx knc new-claim ID/],
    [
      "npx knc new-claim service-found-by-name",
      /^error: there is a claim service-found-by-name already – choose another id$/,
    ],
    ["npx knc new-claim a --quote nowhere", /^error: these words are not in the text: nowhere – copy them from there/],
    ["npx knc new-claim a --check none", /^error: claim a: there is no ready-made check none – there are /],
    [
      "npx knc new-claim a --check name-is-answered",
      /^error: claim a: check name-is-answered: name: .* – correct the claim's check; docs\/checks\.md has its parameters$/,
    ],
    [
      "npx knc check --article node_modules",
      /^error: KNC_ARTICLE=node_modules names no folder with an article\.yaml – /,
    ],
    ["npx knc check -t nothing", /^error: -t nothing is in no claim's sentence or id – npx knc claims lists them$/],
    [
      "cd node_modules && npx knc claims",
      /^error: there is no article in .*node_modules, or more than one – npx knc new FILE\.md makes a folder for one/,
    ],
  ])("without a cluster: %s ends with 2 and one line", async (command, message) => {
    const { exitCode, stderr } = await typed(command);
    expect(exitCode, stderr).toBe(2);
    expect(stderr.trim().split("\n")).toEqual([expect.stringMatching(message)]);
  });

  test("without a cluster: what is to be filled in is named, and what of the text nobody covers", async () => {
    expect((await typed("cp -r services draft && npx knc new-claim pods-come-and-go --article draft")).exitCode).toBe(
      0,
    );
    const draft = await typed("npx knc check --article draft");
    expect(draft).toMatchObject({ exitCode: 2 });
    expect(draft.stderr).toMatch(
      /^error: draft: claim pods-come-and-go: is to be filled in: TODO: what the words state/,
    );
    // The sentence is the claim's now, which is taken away again.
    copyFileSync(join(article, "01-introduction.claims.yaml"), join(folder, "draft", "01-introduction.claims.yaml"));
    const gap = await typed("npx knc claims --article draft");
    expect(gap).toMatchObject({ exitCode: 1 });
    expect(gap.stdout).toContain("line 3 belongs to no claim and to no reason: Pods come and go");
    rmSync(join(folder, "draft"), { recursive: true });
  });

  test("on a cluster: the page's check, its pages and results, and each exit code", async () => {
    expect(await typed("npx knc cluster up")).toMatchObject({ exitCode: 0 });
    try {
      const { exitCode, all } = await typed("npx knc check");
      expect(exitCode, all).toBe(0);
      expect(await namespacesLeft()).toBe("");
      const results = Results.parse(JSON.parse(readFileSync(join(out, "results.json"), "utf8")));
      expect(results.claims.map(({ id, verdict }) => [id, verdict])).toEqual([
        ["service-found-by-name", "holds"],
        ["service-found-from-another-node", "holds"],
        ["cluster-ip-answers-outside", "refuted"],
      ]);
      expect(results.suite.version).toBe(version);
      const html = readFileSync(join(out, "article.html"), "utf8");
      expect(html).toMatch(/<em>.*Service.*<\/em>/);
      expect(html).toContain('<img alt="A Service stands in front of pods" src="data:image/svg+xml;base64,');
      expect(html).toMatch(/<td>.*<a class="word refuted cluster-ip-answers-outside"/);
      expect(html).toMatch(/<strong>.*<a class="word holds service-found-from-another-node"/);
      expect(html).toContain('href="https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/"');
      expect(readFileSync(join(out, "errata.md"), "utf8")).toContain("> at a node port");
      expect(readFileSync(join(out, "allure-report", "index.html"), "utf8").length).toBeGreaterThan(100_000);

      const claims = join(article, "02-from-outside.claims.yaml");
      const spec = join(article, "02-from-outside.spec.ts");
      const [claim, check] = [readFileSync(claims, "utf8"), readFileSync(spec, "utf8")];
      writeFileSync(claims, claim.replace("verdict: refuted", "verdict: holds").replace(/^ +instead:.*\n/m, ""));
      expect(await typed("npx knc check -t cluster-ip-answers-outside")).toMatchObject({ exitCode: 1 });
      writeFileSync(claims, claim);
      writeFileSync(spec, check.replace('live("the client', 'live("TODO: the client'));
      const undone = await typed("npx knc check -t cluster-ip-answers-outside");
      expect(undone).toMatchObject({ exitCode: 2 });
      expect(undone.stdout).toContain("TODO: its control");
      writeFileSync(spec, check);
    } finally {
      await typed("npx knc cluster down");
    }
  });

  test("on a cluster: the page's controls turn every check", { tags: ["nightly"] }, async () => {
    const { exitCode, all } = await typed("npx knc controls");
    expect(exitCode, all).toBe(0);
    expect(all).toContain("3 of 3");
  });
});
