import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { ControlResult } from "../helpers/claim/results.ts";

/** Prints a line for each control as soon as it was tried: what was changed, and what came of it. */
export class ControlProgress implements Reporter {
  readonly #out: string;
  readonly #write: (line: string) => void;

  constructor(out: string, write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`)) {
    this.#out = out;
    this.#write = write;
  }

  onTestCaseResult(test: TestCase): void {
    const { state, errors = [] } = test.result();
    if (state === "skipped") return;
    const { claim: id = test.fullName } = test.meta() as { claim?: string };
    const control = this.#controlOf(id);
    const seconds = ((control?.milliseconds ?? test.diagnostic()?.duration ?? 0) / 1000).toFixed(1);
    const what = control === undefined ? "" : `${control.live ? "" : "altered: "}${control.name}`;
    this.#write(
      `  ${state === "passed" ? "✓ proven" : "✗ not proven"}  ${id.padEnd(46)} ${seconds.padStart(5)} s  ${what}`,
    );
    if (state !== "passed")
      for (const { message } of errors) this.#write(`      ${message.replaceAll("\n", "\n      ")}`);
    if (control !== undefined && control.turned.length > 0)
      this.#write(`      turned too: ${control.turned.join(", ")}`);
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly { readonly message: string }[]): void {
    for (const { message } of [...modules.flatMap((module) => module.errors()), ...errors])
      this.#write(`  ✗ ${message}`);
  }

  #controlOf(id: string): ControlResult | undefined {
    const file = join(this.#out, "controls", `${id}.json`);
    return existsSync(file) ? ControlResult.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
  }
}
