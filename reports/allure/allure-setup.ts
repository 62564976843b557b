import { setGlobalTestRuntime, type TestRuntime } from "allure-js-commons/sdk/runtime";
import { chai } from "vitest";
import { claimReporters } from "../../helpers/claim/report.ts";
import { describeClaim, reportVerdict } from "./allure-claim.ts";

// allure-vitest 3.12 gives Allure its runtime in a `beforeAll` of the first spec file only. Where `-t` selects nothing
// of that file, the hook never runs, and every other file's labels and steps would be lost; so it is given here.
const internal = new URL("VitestTestRuntime.js", import.meta.resolve("allure-vitest/setup")).href;
const { VitestTestRuntime } = (await import(internal)) as { VitestTestRuntime: new () => TestRuntime };
setGlobalTestRuntime(new VitestTestRuntime());

// Its own setup, which comes after this file, would make a step of every assertion, for the reporter to leave them out again:
// of tens of thousands, since a judge is tried with every value of an observation changed.
Object.defineProperty(chai.Assertion.prototype, Symbol.for("allure.vitest.expectPatched"), { value: true });

claimReporters.clear();
claimReporters.add({ describe: describeClaim, judged: reportVerdict });
