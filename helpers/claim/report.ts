import type { Article, Claim, Expectation } from "../article/article.ts";
import type { Evidence } from "./evidence.ts";
import type { ControlResult } from "./results.ts";
import type { Judgement } from "./verdict.ts";
import type { World } from "./world.ts";

/** What a reporter is told of a claim before anything is done. */
export interface ClaimDescription {
  readonly claim: Claim;
  readonly section: Article["sections"][number];
  /** Place of the section and of the claim in the article, from 1. */
  readonly place: { readonly section: number; readonly claim: number };
  readonly article: Pick<Article, "title" | "languages" | "date">;
  readonly world: World;
  readonly expectation: Expectation;
}

/** What a reporter is told of a claim once it was judged. */
export interface VerdictReport {
  readonly claim: Claim;
  readonly judgement: Judgement;
  readonly expectation: Expectation;
  /** The file that the observation is stored in, relative to the output folder; absent where there is none. */
  readonly observation: string | undefined;
  readonly evidence: Pick<Evidence, "items" | "standIns">;
  /** The output folder, which the files of the evidence are in. */
  readonly out: string;
  /** Whether the check was proven to be able to say the opposite; empty where that was not tried. */
  readonly controls?: readonly ControlResult[];
}

/** Hears of claims while they are judged; it is called inside the claim's own test. */
export interface ClaimReporter {
  describe(claim: ClaimDescription): Promise<void>;
  judged(verdict: VerdictReport): Promise<void>;
}

/** Those that a setup file of vitest has added. */
export const claimReporters: Set<ClaimReporter> = new Set();
