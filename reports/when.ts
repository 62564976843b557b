import semver from "semver";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import type { Bilingual } from "./look.ts";
import type { Matrix } from "./matrix.ts";

/** What kind made by default on the day of the article (kind v0.29.0, 2025-05-21), and what the article's samples show. */
const cells = { written: "1.33.1", shown: "1.24.0" } as const;

/** Whether a sentence that is wrong on a cluster was wrong already when it was written. */
export interface WhenWrong {
  readonly already: boolean;
  readonly words: Bilingual;
}

/** Where it is no version. */
const sinceInZh: Readonly<Record<string, string>> = { always: "一直如此", "the article's publication": "文章發表時" };

/** Returns since when a claim comes out as it does, in both languages. */
export function sinceInWords(since: string): Bilingual {
  return { en: since, zh: sinceInZh[since] ?? since.replace(/ or earlier$/, " 或更早") };
}

/** Returns, by claim, what runs found of it, by cells. */
export function recordedVerdicts({ claims }: Matrix): ReadonlyMap<string, Matrix["claims"][number]["verdicts"]> {
  return new Map(claims.map(({ id, verdicts }) => [id, verdicts]));
}

/** Returns whether a claim that is refuted in these results was wrong when it was written, as far as recorded runs tell it. */
export function whenWrong(
  { id }: ClaimResult,
  { article: { date }, world: { kubernetes } }: Results,
  recorded: ReturnType<typeof recordedVerdicts>,
): WhenWrong | undefined {
  const verdicts = recorded.get(id);
  const [written, shown] = [verdicts?.[cells.written]?.verdict, verdicts?.[cells.shown]?.verdict];
  if (written !== "refuted" && written !== "holds") return undefined;
  const already = written === "refuted";
  const before =
    shown === "holds"
      ? { en: `; right on v${cells.shown}, which the article shows`, zh: `；在文章所示的 v${cells.shown} 上成立` }
      : { en: "", zh: "" };
  return {
    already,
    words: already
      ? {
          en: `Wrong already when it was written, on ${date} (v${cells.written})${before.en}.`,
          zh: `撰文當天（${date}，v${cells.written}）就已不成立${before.zh}。`,
        }
      : semver.lt(kubernetes, `v${cells.written}`)
        ? {
            en: `Right when it was written, on ${date} (v${cells.written}); not yet on ${kubernetes}.`,
            zh: `撰文當天（${date}，v${cells.written}）成立，但在 ${kubernetes} 上尚未如此。`,
          }
        : {
            en: `Right when it was written, on ${date} (v${cells.written}); outdated since.`,
            zh: `撰文當天（${date}，v${cells.written}）成立，之後才過時。`,
          },
  };
}
