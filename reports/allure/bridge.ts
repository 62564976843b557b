import { copyFileSync, mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { Status } from "allure-js-commons";
import type { LifecycleListener, Writer } from "allure-js-commons/sdk/reporter";
import AllureVitestReporter from "allure-vitest/reporter";
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";

const cases = new Map<string, TestCase>();

/** Remembers every finished test, for what allure-vitest does not pass on. */
export const collectCases: Reporter = {
  onTestCaseResult: (test) =>
    // As allure-vitest names a test: by the path from the working folder and the titles around it.
    void cases.set(`${relative(process.cwd(), test.module.moduleId)}#${titles(test).join(" ")}`, test),
};

/**
 * Allure's reporter, but for the evidence: it would wait until the disk has each of a thousand files, for seconds, and all of it
 * is on disk already.
 */
export class AllureReporter extends AllureVitestReporter {
  readonly #folder: string;

  constructor(resultsDir: string) {
    super({ resultsDir, listeners: [enrichResults], reportMatchers: false });
    this.#folder = resultsDir;
  }

  override onInit(vitest: Vitest): void {
    super.onInit(vitest);
    mkdirSync(this.#folder, { recursive: true });
    // allure-vitest 3.12 makes the writer itself and lets nobody give another.
    const { allureReporterRuntime } = this as unknown as { allureReporterRuntime: { writer: Writer } };
    allureReporterRuntime.writer.writeAttachmentFromPath = (name, from) => copyFileSync(from, join(this.#folder, name));
  }
}

/** Completes Allure's results by the reasons of skips and by all errors of a test: allure-vitest 3.12 drops them. */
const enrichResults = {
  beforeTestResultWrite(result) {
    // In front of the path there may be the package's name.
    const outcome = cases.get((result.fullName ?? "").replace(/^[^:#/]*:/, ""))?.result();
    if (outcome?.state === "skipped") {
      result.status = Status.SKIPPED;
      result.statusDetails = { ...result.statusDetails, message: outcome.note ?? "skipped" };
    }
    if (outcome?.state === "failed" && outcome.errors.length > 1) {
      result.statusDetails = {
        ...result.statusDetails,
        message: outcome.errors.map(({ message }, index) => `${index + 1}. ${message}`).join("\n"),
      };
    }
  },
} satisfies LifecycleListener;

function titles(task: TestCase | TestSuite | TestModule): string[] {
  return task.type === "module" ? [] : [...titles(task.parent), task.name];
}
