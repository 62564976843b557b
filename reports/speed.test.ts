import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { readRecordedMatrix } from "./matrix.ts";
import { goalsOf, median, readSpeed, spread } from "./speed.ts";
import { speedAsMarkdown, speedAsSvg, speedPicture } from "./speed-page.ts";

test("cells are spread so that the longest comes first, and each goes to the machine that is free", () => {
  const cells = [3, 8, 5, 2].map((seconds) => ({ cells: [`c${seconds}`], seconds }));
  expect(spread(cells, 1)).toEqual([{ cells: ["c8", "c5", "c3", "c2"], seconds: 18 }]);
  expect(spread(cells, 2)).toEqual([
    { cells: ["c8", "c2"], seconds: 10 },
    { cells: ["c5", "c3"], seconds: 8 },
  ]);
  expect(Math.max(...spread(cells, 9).map(({ seconds }) => seconds))).toBe(8);
});

test("goals are compared with the ratios of a round to its own bare cluster", () => {
  const measured = { date: "2026-01-01", commit: "x", kubernetes: "v1.37.0", cores: 2 };
  const rounds = [
    { bare: 10, first: 11, quick: 15, whole: 30 },
    { bare: 20, first: 22, quick: 40, whole: 50 },
  ];
  const goals = goalsOf({ rounds: { ...measured, rounds, verdicts: { runs: 2, different: [] } } });
  expect(goals.map(({ what, values }) => [what, values])).toEqual([
    ["a whole run", [3, 2.5]],
    ["without what is slow", [1.5, 2]],
    ["the first verdict", [1.1, 1.1]],
  ]);
  expect(median([3, 1, 2])).toBe(2);
  expect(() => median([])).toThrow("no median");
});

test("the page on speed shows what was recorded; npm run bench -- --record writes it anew", () => {
  const { article: folder } = readSettings();
  const speed = readSpeed(folder);
  const matrix = readRecordedMatrix({ folder });
  const file = (name: string) => join(projectRoot, "docs", name);
  expect(readFileSync(file("speed.md"), "utf8")).toBe(speedAsMarkdown(speed, matrix));
  const picture = speedAsSvg(speed, matrix);
  expect(existsSync(file(speedPicture))).toBe(picture !== undefined);
  if (picture !== undefined) expect(readFileSync(file(speedPicture), "utf8")).toBe(picture);
});
