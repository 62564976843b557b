import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { styleText } from "node:util";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import type { z } from "zod";
import { ClaimResult } from "../helpers/claim/results.ts";
import type { Verdict } from "../helpers/claim/verdict.ts";
import { type TestsFile, testsFile } from "./results.ts";
import { type Tally, tallyOf } from "./tally.ts";

/** Where the output goes, and what it may be. */
interface Terminal {
  write(text: string): void;
  readonly colour: boolean;
  /** A line may be taken back and written anew, if it is not longer than a row of so many signs. */
  readonly live: boolean;
  readonly columns: number;
}

const person = process.stdout.isTTY && !process.env["CI"];
const standardOutput: Terminal = {
  write: (text) => void process.stdout.write(text),
  colour: person && !process.env["NO_COLOR"],
  live: person && !process.env["NO_COLOR"],
  columns: process.stdout.columns,
};

/** Where no line can be taken back, the counts are told after so many claims. */
const plainStep = 25;

/**
 * Prints a line for each claim as soon as it is judged: whether that was expected, the verdict, its id, how long it
 * took, and the reason where it was not expected; below, or now and then, how far the run is. Stray errors are told at the end.
 */
export class ClaimProgress implements Reporter {
  readonly #out: string;
  readonly #terminal: Terminal;
  readonly #started = performance.now();
  #tally: Tally | undefined;
  /** Stands on the screen and is taken back by the next output. */
  #below = "";

  constructor(out: string, terminal: Terminal = standardOutput) {
    this.#out = out;
    this.#terminal = terminal;
  }

  /** Not when the run starts: then the cluster is being made. */
  onTestModuleCollected(): void {
    this.#write("  ✓ the verdict is the one known for this version, ✗ it is another");
  }

  onTestCaseResult(test: TestCase): void {
    const outcome = test.result();
    if (outcome.state === "skipped" && outcome.note === undefined) return;
    const passed = outcome.state === "passed";
    const claim = this.#claimOf(test);
    const id = claim?.id ?? test.fullName;
    const seconds = ((claim?.milliseconds ?? test.diagnostic()?.duration ?? 0) / 1000).toFixed(1);
    const verdict = claim?.verdict ?? (outcome.state === "failed" ? "no verdict" : outcome.state);
    this.#line(passed, `${verdict.padEnd(12)}  ${id.padEnd(46)} ${seconds.padStart(5)} s`);
    if (!passed) this.#explain(test, claim);
    if (claim?.verdict !== undefined) this.#count(claim.verdict);
  }

  #explain(test: TestCase, claim: ClaimResult | undefined): void {
    const outcome = test.result();
    if (claim?.expected !== undefined && claim.verdict !== claim.expected)
      this.#indented(`expected: ${claim.expected}`);
    if (outcome.state === "skipped") this.#indented(outcome.note ?? "");
    // vitest's own message repeats the reason, in front of what it compared.
    else if (claim?.why !== undefined && claim.why !== "" && claim.verdict !== claim.expected)
      this.#indented(claim.why);
    else for (const { message } of outcome.errors ?? []) this.#indented(message);
  }

  /** What specs print. */
  onUserConsoleLog({ content }: { readonly content: string }): void {
    this.#write(content.trimEnd());
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly { readonly message: string }[]): void {
    this.#takeBack();
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    // What a run has to keep to besides is of no claim.
    const run = tests.filter((test) => {
      const { state } = test.result();
      // One that never began, since the process ended before, may have been a claim.
      return state === "pending" || (state !== "skipped" && "claim" in test.meta());
    }).length;
    writeFileSync(join(this.#out, testsFile), JSON.stringify({ run } satisfies z.infer<typeof TestsFile>));
    for (const module of modules) {
      for (const { message } of module.errors()) {
        this.#line(false, relative(process.cwd(), module.moduleId));
        this.#indented(message);
      }
    }
    for (const { message } of errors) {
      this.#line(false, "an error outside of every claim");
      this.#indented(message);
    }
  }

  #claimOf(test: TestCase): ClaimResult | undefined {
    const { claim } = test.meta() as { claim?: string };
    const file = join(this.#out, "claims", `${claim}.json`);
    return claim !== undefined && existsSync(file)
      ? ClaimResult.parse(JSON.parse(readFileSync(file, "utf8")))
      : undefined;
  }

  #count(verdict: Verdict): void {
    this.#tally ??= tallyOf(this.#out);
    const count = this.#tally.add(verdict);
    const line = `  ${this.#tally.line(performance.now() - this.#started)}`;
    if (this.#terminal.live) {
      this.#below = line.slice(0, this.#terminal.columns - 1);
      this.#terminal.write(this.#below);
    } else if (count % plainStep === 0) this.#write(line);
  }

  #takeBack(): void {
    if (this.#below !== "") this.#terminal.write("\r\u001B[K");
    this.#below = "";
  }

  #write(line: string): void {
    this.#takeBack();
    this.#terminal.write(`${line}\n`);
  }

  #line(passed: boolean, text: string): void {
    const mark = passed ? "✓" : "✗";
    this.#write(
      `  ${this.#terminal.colour ? styleText(passed ? "green" : "red", mark, { validateStream: false }) : mark} ${text}`,
    );
  }

  #indented(text: string): void {
    for (const line of text.trim().split("\n")) this.#write(`      ${line}`);
  }
}
