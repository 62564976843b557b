import semver from "semver";
import type { Article } from "../helpers/article/article.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import type { Matrix } from "./matrix.ts";
import type { Bilingual } from "./words.ts";

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

/** What runs found of an article's claims, by claims and cells, and the versions that it is about. */
export interface RecordedVerdicts {
  readonly versions: Article["versions"];
  readonly byClaim: ReadonlyMap<string, Matrix["claims"][number]["verdicts"]>;
}

/** Returns what recorded runs found; nothing if none is recorded. */
export function recordedVerdicts(
  matrix: Matrix | undefined,
  { versions }: Pick<Article, "versions">,
): RecordedVerdicts {
  return { versions, byClaim: new Map(matrix?.claims.map(({ id, verdicts }) => [id, verdicts])) };
}

/** Returns whether a claim that is refuted in these results was wrong when it was written, as far as recorded runs tell it. */
export function whenWrong(
  { id }: ClaimResult,
  { article: { date }, world: { kubernetes } }: Results,
  { versions, byClaim }: RecordedVerdicts,
): WhenWrong | undefined {
  const verdicts = byClaim.get(id);
  if (versions === undefined) return undefined;
  const [written, shown] = [verdicts?.[versions.written]?.verdict, verdicts?.[versions.shown]?.verdict];
  if (written !== "refuted" && written !== "holds") return undefined;
  const already = written === "refuted";
  const before =
    shown === "holds"
      ? { en: `; right on v${versions.shown}, which the article shows`, zh: `；在文章所示的 v${versions.shown} 上成立` }
      : { en: "", zh: "" };
  return {
    already,
    words: already
      ? {
          en: `Wrong already when it was written, on ${date} (v${versions.written})${before.en}.`,
          zh: `撰文當天（${date}，v${versions.written}）就已不成立${before.zh}。`,
        }
      : semver.lt(kubernetes, `v${versions.written}`)
        ? {
            en: `Right when it was written, on ${date} (v${versions.written}); not yet on ${kubernetes}.`,
            zh: `撰文當天（${date}，v${versions.written}）成立，但在 ${kubernetes} 上尚未如此。`,
          }
        : {
            en: `Right when it was written, on ${date} (v${versions.written}); outdated since.`,
            zh: `撰文當天（${date}，v${versions.written}）成立，之後才過時。`,
          },
  };
}
