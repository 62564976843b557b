#!/usr/bin/env node
// Plain JavaScript, so that a Node too old for TypeScript can still say what is wrong.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const usage = `knc COMMAND [--article FOLDER]
  new FILE.md      make a folder for an article: each of its sentences is listed, as not claimed yet
  new-claim ID     add a claim to it, with a ready-made check or a spec to be filled in
  claims           list the claims, and what of the text no claim covers
  check            check the claims on a fresh cluster, and write the reports (in the repository: npm test)
  controls         prove that each check can fail
  worlds, matrix   check in worlds that must change nothing, and on other versions
  site             one folder of pages: the recorded runs of this article and of those beside it
  rejudge, soak    judge a stored run again; make many runs in a row
  badge, comment   a badge of the last run; what a pull request on GitHub changes for readers
  cluster          up | down | status: a cluster that stays
  doctor, clean    what this machine can do; remove caches and leftovers
`;

const [major = 0] = process.versions.node.split(".").map(Number);
const [asked = "", ...words] = process.argv.slice(2);
const command = asked === "check" ? "test" : asked;
const commands = new Set(
  "badge comment new new-claim claims test controls worlds matrix rejudge soak demo site cluster doctor clean verify pages api checks conformance rooms bench build".split(
    " ",
  ),
);
// From the sources in the repository, built in the package.
const module = [".ts", ".js"]
  .map((ending) => new URL(`${command}${ending}`, import.meta.url))
  .find((url) => commands.has(command) && existsSync(fileURLToPath(url)));
if (major < 24) {
  process.stderr.write(
    `error: Node ${process.versions.node} is too old – run by way of npm or npx, which take the Node 24 that is installed with the package, or install Node 24\n`,
  );
  process.exitCode = 2;
} else if (asked === "help" || ["--help", "-h"].some((word) => process.argv.includes(word)))
  process.stdout.write(usage);
else if (module === undefined) {
  process.stderr.write(
    `error: ${asked === "" ? "no command is named" : `there is no command ${asked}`} – knc --help lists them\n`,
  );
  process.exitCode = 2;
} else {
  // Commands run others in the project's folder; what was typed is meant from here.
  for (const name of ["KNC_KUBECONFIG", "KNC_IMAGE_LOCK"])
    if (process.env[name]) process.env[name] = resolve(process.env[name]);
  // Of every command: a setting, as the others in KNC_ variables.
  const at = words.findIndex((word) => word === "--article" || word.startsWith("--article="));
  if (at !== -1) {
    const [option = "", next = ""] = words.splice(at, words[at] === "--article" ? 2 : 1);
    process.env.KNC_ARTICLE = option === "--article" ? next : option.slice("--article=".length);
  }
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...words);
  await import(module.href);
}
