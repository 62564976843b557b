import { appendFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import type { Results } from "../helpers/claim/results.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { recordedRun } from "./pages/pages.ts";
import { rememberRun, runsIn } from "./runs.ts";

const recorded = recordedRun(readArticle(readSettings().article)) as Results;

test("whole runs of the same text are remembered, in their order", () => {
  const folder = mkdtempSync(join(tmpdir(), "runs-"));
  const at = (started: string, changes = {}) => ({ ...recorded, started, ...changes });
  rememberRun(folder, undefined);
  rememberRun(folder, at("2026-01-01T00:00:00.000Z"));
  rememberRun(folder, at("2026-01-02T00:00:00.000Z", { selection: "-t dns" }));
  rememberRun(folder, at("2026-01-03T00:00:00.000Z", { complete: false }));
  rememberRun(folder, at("2026-01-04T00:00:00.000Z", { article: { ...recorded.article, sha256: "another" } }));
  appendFileSync(join(folder, "runs.jsonl"), '{"started": "2026-01-05');
  const runs = runsIn(folder, at("2026-01-06T00:00:00.000Z"));
  expect(runs.map(({ started }) => started.slice(0, 10))).toEqual(["2026-01-01", "2026-01-06"]);
  expect(runsIn(folder, at("2026-01-07T00:00:00.000Z", { selection: "-t dns" })).length).toBe(1);
});
