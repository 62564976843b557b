import { Status } from "allure-js-commons";
import type { LifecycleListener } from "allure-js-commons/sdk/reporter";
import type { Reporter, TestCase } from "vitest/node";

const cases = new Map<string, TestCase>();

/** Remembers every finished test, for what allure-vitest does not pass on. */
export const collectCases: Reporter = {
  onTestCaseResult: (test) =>
    void cases.set(`${test.module.relativeModuleId}#${test.fullName.split(" > ").join(" ")}`, test),
};

/** Completes Allure's results by the reasons of skips and by all errors of a test: allure-vitest 3.12 drops them. */
export const enrichResults = {
  beforeTestResultWrite(result) {
    const outcome = cases.get((result.fullName ?? "").replace(/^[^:]*:/, ""))?.result();
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
