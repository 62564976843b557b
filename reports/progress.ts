import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { styleText } from "node:util";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { ClaimResult } from "../helpers/claim/results.ts";

/** Where the lines go, and whether they may be coloured. */
interface Terminal {
  write(line: string): void;
  readonly colour: boolean;
}

const standardOutput: Terminal = {
  write: (line) => void process.stdout.write(`${line}\n`),
  colour: process.stdout.isTTY && !process.env["NO_COLOR"] && !process.env["CI"],
};

/**
 * Prints a line for each claim as soon as it is judged: whether that was expected, the verdict, its id, how long it
 * took, and the reason where it was not expected. Specs that cannot be loaded and stray errors are told at the end.
 */
export class ClaimProgress implements Reporter {
  readonly #out: string;
  readonly #terminal: Terminal;

  constructor(out: string, terminal: Terminal = standardOutput) {
    this.#out = out;
    this.#terminal = terminal;
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
    if (passed) return;
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
    this.#terminal.write(content.trimEnd());
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly { readonly message: string }[]): void {
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

  #line(passed: boolean, text: string): void {
    const mark = passed ? "✓" : "✗";
    this.#terminal.write(
      `  ${this.#terminal.colour ? styleText(passed ? "green" : "red", mark, { validateStream: false }) : mark} ${text}`,
    );
  }

  #indented(text: string): void {
    for (const line of text.trim().split("\n")) this.#terminal.write(`      ${line}`);
  }
}
