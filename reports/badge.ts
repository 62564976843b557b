import type { Article } from "../helpers/article/article.ts";
import type { Results } from "../helpers/claim/results.ts";
import { textDigest } from "./results.ts";
import { wrongSentences } from "./sentences.ts";

/** What shields.io makes a badge of. Source: shields.io, "Endpoint Badge". */
export interface Badge {
  readonly schemaVersion: 1;
  readonly label: string;
  readonly message: string;
  readonly color: "brightgreen" | "yellow" | "lightgrey";
}

/** A run that is older says little of a version of today. */
const freshDays = 30;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * Returns the badge of an article: how many of its sentences hold, on which version, and when that was found. It is grey if the text
 * is another by now, or the run is older than 30 days.
 */
export function badgeOf(results: Results, article: Pick<Article, "text">, now: Date): Badge {
  const holds = results.claims.filter(({ verdict }) => verdict === "holds").length;
  const misleading = wrongSentences(results.claims).length;
  const version = /^v(\d+\.\d+)/.exec(results.world.kubernetes)?.[1] ?? results.world.kubernetes;
  const checked = results.started.slice(0, 10);
  const stale =
    textDigest(article) !== results.article.sha256 || now.getTime() - Date.parse(results.started) > freshDays * dayMs;
  return {
    schemaVersion: 1,
    label: "Kubernetes",
    message: `${holds} of ${holds + misleading} sentences hold on ${version}, checked ${checked}`,
    color: stale ? "lightgrey" : misleading === 0 ? "brightgreen" : "yellow",
  };
}
