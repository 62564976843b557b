import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readArticle } from "../helpers/article/article.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { commentOf, markerOf } from "../reports/comment.ts";
import { resultsAt } from "../reports/results.ts";

const Event = z.object({ pull_request: z.object({ number: z.int() }).optional() });
const Comments = z.array(z.object({ id: z.int(), body: z.string().nullish() }));
const perPage = 100;

/**
 * Tells a pull request on GitHub what it changes for the readers of the article, in one comment that each run writes anew. It is
 * silent if nothing changed: then an earlier comment is removed. Without a pull request, what it would say is printed.
 * `--base FILE` names the results of the branch that it goes to.
 */
await main(async () => {
  const [option, base, ...others] = process.argv.slice(2);
  if ((option !== undefined && (option !== "--base" || base === undefined)) || others.length > 0)
    throw new UserError(`${process.argv.slice(2).join(" ")} is not known`, "knc comment [--base results.json]");
  const settings = readSettings();
  const article = readArticle(settings.article);
  const results = resultsAt(join(settings.out, "results.json"));
  if (results === undefined) throw new UserError(`there are no results in ${settings.out}`, "npm test makes some");
  const body = commentOf(results, article, base === undefined ? undefined : resultsAt(base));
  const thread = pullRequest();
  if (thread === undefined) {
    process.stdout.write(`${body ?? "nothing changed for the article's readers"}\n`);
    return 0;
  }
  const found = await findComment(thread, markerOf(article));
  if (body !== undefined)
    await (found === undefined
      ? ask(thread, "POST", `issues/${thread.number}/comments`, { body })
      : ask(thread, "PATCH", `issues/comments/${found}`, { body }));
  else if (found !== undefined) await ask(thread, "DELETE", `issues/comments/${found}`);
  return 0;
});

interface Thread {
  /** Of GitHub's REST API, for one repository. */
  readonly url: string;
  readonly token: string;
  readonly number: number;
}

/** Returns the pull request that GitHub runs this for, if it does. @throws UserError if there is no token for it */
function pullRequest(): Thread | undefined {
  const { GITHUB_EVENT_PATH, GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN } = process.env;
  if (!GITHUB_EVENT_PATH) return undefined;
  const { pull_request: request } = Event.parse(JSON.parse(readFileSync(GITHUB_EVENT_PATH, "utf8")));
  if (request === undefined) return undefined;
  if (!GITHUB_API_URL || !GITHUB_REPOSITORY || !GITHUB_TOKEN)
    throw new UserError("a comment needs GITHUB_API_URL, GITHUB_REPOSITORY and GITHUB_TOKEN", "set them for this step");
  return { url: `${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}`, token: GITHUB_TOKEN, number: request.number };
}

async function findComment(thread: Thread, marker: string): Promise<number | undefined> {
  for (let page = 1; ; page++) {
    const path = `issues/${thread.number}/comments?per_page=${perPage}&page=${page}`;
    const comments = Comments.parse(await ask(thread, "GET", path));
    const found = comments.find(({ body }) => body?.includes(marker) === true);
    if (found !== undefined || comments.length < perPage) return found?.id;
  }
}

/** Asks GitHub's REST API, and returns what it answers. @throws UserError with its words */
async function ask({ url, token }: Thread, method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`${url}/${path}`, {
    method,
    headers: { accept: "application/vnd.github+json", authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw new UserError(`GitHub's API cannot be reached: ${(error as Error).message}`, "look at the network");
  });
  const text = await answer.text();
  if (!answer.ok)
    throw new UserError(
      `GitHub answers ${method} ${path.split("?")[0]} with ${answer.status}: ${text.slice(0, 200)}`,
      "give the job the permission pull-requests: write",
    );
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}
