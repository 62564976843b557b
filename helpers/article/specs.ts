import { fileURLToPath } from "node:url";
import { moduleEnding } from "../host/settings.ts";
import { readArticle } from "./article.ts";

/** The spec of all claims that name a ready-made check. */
const readyMadeSpec = fileURLToPath(new URL(`../../specs/ready-made.spec${moduleEnding}`, import.meta.url));

/** Returns patterns of the files that check an article: its own, and that of ready-made checks if it has any. */
export function specsIn(folder: string): string[] {
  const literally = folder.replaceAll(/[!()*+?@[\]{|}]/g, String.raw`\$&`);
  return [`${literally}/*.spec.ts`, ...(namesReadyMade(folder) ? [readyMadeSpec] : [])];
}

function namesReadyMade(folder: string): boolean {
  try {
    return readArticle(folder).claims.some(({ check }) => check !== undefined);
  } catch {
    // The command that runs the specs has said what is wrong with it.
    return false;
  }
}
