import { relative } from "node:path";
import { Status } from "allure-js-commons";
import type { LifecycleListener } from "allure-js-commons/sdk/reporter";
import AllureVitestReporter from "allure-vitest/reporter";
import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";

const cases = new Map<string, TestCase>();

/** Remembers every finished test, for what allure-vitest does not pass on. */
export const collectCases: Reporter = {
  onTestCaseResult: (test) =>
    // As allure-vitest names a test: by the path from the working folder and the titles around it.
    void cases.set(`${relative(process.cwd(), test.module.moduleId)}#${titles(test).join(" ")}`, test),
};

/** Returns Allure's own reporter, which writes its results to a folder. */
export function allureReporter(resultsDir: string): Reporter {
  return new AllureVitestReporter({ resultsDir, listeners: [enrichResults], reportMatchers: false });
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
