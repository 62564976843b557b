import { randomBytes } from "node:crypto";
import type { CommandResult } from "../host/command.ts";
import { type Peer, ProbeFailed, startingTime } from "./peer.ts";

/**
 * How a request ended.
 *
 * - `answered`: an HTTP answer came back
 * - `refused`: the other side said no at once (TCP reset)
 * - `unreachable`: the own or another host said that there is no way (no route, no neighbour)
 * - `silent`: nothing came back in time
 * - `unresolved`: the name has no address
 */
export type Outcome = "answered" | "refused" | "unreachable" | "silent" | "unresolved";

/** The end of one request. */
export interface Request {
  readonly from: string;
  readonly to: string;
  readonly outcome: Outcome;
  /** HTTP status; absent where nothing answered. */
  readonly status?: number;
  readonly body: string;
  readonly milliseconds: number;
}

/** Who answered, as the answer itself tells; only an answer with the token sent counts. */
export interface Meeting {
  readonly from: string;
  readonly to: string;
  readonly outcome: Outcome;
  /** Name of the pod that answered; absent where none did. */
  readonly pod?: string;
  /** Address from which that pod saw the request come. */
  readonly source?: string;
  readonly milliseconds: number;
}

/** Returns an address as a URL has it (RFC 3986, section 3.2.2: IPv6 in brackets). */
export function hostOf(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/** Returns host and port of an address as a URL has them. */
export function hostPort(address: string, port: number): string {
  return `${hostOf(address)}:${port}`;
}

/**
 * Returns how an HTTP request with curl ended, after at most `timeout` milliseconds.
 *
 * @param host the site that is asked for, where the URL has only an address (RFC 9110, section 7.2)
 * @throws ProbeFailed where curl itself could not be used
 */
export async function request(from: Peer, url: string, timeout: number, host?: string): Promise<Request> {
  const title = `${from.label} → ${url}${host === undefined ? "" : `, for ${host}`}`;
  const result = await curl(from, title, timeout, [...(host === undefined ? [] : ["--header", `Host: ${host}`]), url]);
  const outcome = outcomeOf(from, result);
  const [body = "", status = ""] = result.stdout.split(/\n?HTTP-STATUS (\d+)\n?$/);
  return {
    from: from.label,
    to: url,
    outcome,
    ...(outcome === "answered" ? { status: Number(status) } : {}),
    body: outcome === "answered" ? body : "",
    milliseconds: Math.round(result.durationMs),
  };
}

/**
 * Asks an agnhost server who it is and whom it sees, over one connection, with a random token that it has to repeat.
 *
 * @param localPort the connection's source port; one that the kernel chooses where absent
 * @throws ProbeFailed where something answered that is no such server, or without the token
 */
export async function meet(from: Peer, target: string, timeout: number, localPort?: number): Promise<Meeting> {
  const token = randomBytes(6).toString("hex");
  const paths = ["hostname", "clientip", `echo?msg=${token}`].map((path) => `http://${target}/${path}`);
  const result = await curl(from, `${from.label} → ${target}: who are you, whom do you see?`, timeout, [
    ...(localPort === undefined ? [] : ["--local-port", String(localPort)]),
    ...paths,
  ]);
  const outcome = outcomeOf(from, result);
  const base = { from: from.label, to: target, outcome, milliseconds: Math.round(result.durationMs) };
  if (outcome !== "answered") return base;
  const [pod, source, repeated] = result.stdout.split(/\n?HTTP-STATUS \d+\n?/);
  if (pod === undefined || source === undefined || repeated !== token)
    throw new ProbeFailed(
      `${target} answered ${from.label}, but not as the suite's server does: ${result.stdout.slice(0, 200)}`,
    );
  return {
    ...base,
    pod,
    source: source
      .replace(/:\d+$/, "")
      .replace(/^\[(.*)\]$/, "$1")
      .replace(/^::ffff:/, ""),
  };
}

/** What came of one of many requests: the name of the pod that answered, or curl's exit code. */
export type Answer = { readonly pod: string } | { readonly exitCode: number };

/** Returns the pods that answered, by name; whether some connection was lost meanwhile is no matter. */
export function podsAmong(answers: readonly Answer[]): string[] {
  return [...new Set(answers.flatMap((answer) => ("pod" in answer ? [answer.pod] : [])))].toSorted();
}

/**
 * Asks an agnhost server for its name, over a new connection each time, and returns what came of each, in order.
 *
 * @param perSecond at most so many; as fast as answers come where absent
 * @throws ProbeFailed where curl did not report on each of them
 */
export async function meetOften(
  from: Peer,
  target: string,
  count: number,
  timeout: number,
  perSecond?: number,
): Promise<Answer[]> {
  const result = await from.run(
    `${from.label} → ${target}: ${count} new connections`,
    [
      "curl",
      "--silent",
      "--show-error",
      "--noproxy",
      "*",
      "--max-time",
      (timeout / 1000).toFixed(1),
      // The server closes after each answer; curl would use the connection again.
      "--header",
      "Connection: close",
      ...(perSecond === undefined ? [] : ["--rate", `${perSecond}/s`]),
      "--write-out",
      "|%{http_code}\n",
      `http://${target}/hostname?[1-${count}]`,
    ],
    120_000,
  );
  // Of each request without an answer it says why, in their order; %{exitcode} has come with 7.75 only.
  const exitCodes = [...result.stderr.matchAll(/^curl: \((\d+)\)/gm)].map(([, code]) => Number(code));
  const answers = result.stdout
    .split("\n")
    .filter(Boolean)
    .map((line): Answer => {
      const [pod = "", status] = line.split("|");
      return status === "000" ? { exitCode: exitCodes.shift() ?? 0 } : { pod };
    });
  const unexplained = exitCodes.length > 0 || answers.some((answer) => "exitCode" in answer && answer.exitCode === 0);
  if (answers.length !== count || unexplained)
    throw new ProbeFailed(
      `curl on ${from.label} reported on ${answers.length} of ${count} requests: ${result.stderr.slice(0, 200)}`,
    );
  return answers;
}

/** Returns how many requests each pod answered, and how many failed with which exit code of curl. */
export function distribution(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const key = "pod" in answer ? answer.pod : `curl exit ${answer.exitCode}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

async function curl(from: Peer, title: string, timeout: number, words: readonly string[]): Promise<CommandResult> {
  const seconds = (timeout / 1000).toFixed(1);
  return from.run(
    title,
    [
      "curl",
      "--silent",
      "--verbose",
      "--fail-early",
      "--noproxy",
      "*",
      "--max-time",
      seconds,
      "--write-out",
      "\nHTTP-STATUS %{http_code}\n",
      ...words,
    ],
    timeout + startingTime,
  );
}

/** curl's exit codes, and its words where one code stands for several ends (curl(1), EXIT CODES). */
function outcomeOf(from: Peer, { exitCode, stderr }: CommandResult): Outcome {
  if (exitCode === 0) return "answered";
  if (exitCode === 6) return "unresolved";
  if (exitCode === 28) return "silent";
  if (exitCode === 7) return /connection refused/i.test(stderr) ? "refused" : "unreachable";
  // The other side closed the connection without an answer, or reset it.
  if (exitCode === 52 || exitCode === 56) return "refused";
  throw new ProbeFailed(`curl on ${from.label} ended with ${exitCode}: ${stderr.trim().split("\n").at(-1)}`);
}
