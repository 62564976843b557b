import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { styleText } from "node:util";
import type { Reporter, TestCase } from "vitest/node";
import { ClaimResult } from "../helpers/claim/results.ts";

/** Prints a line for each claim when it is judged: whether that was expected, the verdict, its id, how long it took. */
export class ClaimProgress implements Reporter {
  readonly #out: string;
  readonly #write: (line: string) => void;

  constructor(out: string, write: (line: string) => void = (line) => process.stdout.write(`${line}\n`)) {
    this.#out = out;
    this.#write = write;
  }

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    const id = (test.meta() as { claim?: string }).claim;
    const file = join(this.#out, "claims", `${id}.json`);
    if (result.state === "skipped") return;
    const passed = result.state === "passed";
    if (id === undefined || !existsSync(file)) {
      this.#write(
        `  ${passed ? "✓" : mark(false)} ${test.fullName}${passed ? "" : `: ${result.errors?.[0]?.message}`}`,
      );
      return;
    }
    const { verdict, expected, milliseconds = 0, why } = ClaimResult.parse(JSON.parse(readFileSync(file, "utf8")));
    this.#write(
      `  ${mark(passed)} ${(verdict ?? "").padEnd(12)}  ${id.padEnd(46)} ${(milliseconds / 1000).toFixed(1).padStart(5)} s`,
    );
    if (passed) return;
    const reason = verdict === expected ? (result.errors?.[0]?.message ?? "") : (why ?? "");
    this.#write(`      expected ${expected}: ${reason}`);
  }

  onTestRunEnd(_modules: unknown, errors: readonly { message: string }[]): void {
    for (const { message } of errors) this.#write(`  ${mark(false)} ${message}`);
  }
}

function mark(passed: boolean): string {
  return passed ? styleText("green", "✓") : styleText("red", "✗");
}
