import { type IncomingMessage, request as send } from "node:http";
import { text } from "node:stream/consumers";
import type { Outcome, Request } from "./http.ts";

const outcomes: Readonly<Record<string, Outcome>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ENOTFOUND: "unresolved",
  EAI_AGAIN: "unresolved",
};

/**
 * Returns how an HTTP request from this very process ended, after at most `timeout` milliseconds.
 *
 * @throws whatever else went wrong than one of the known ends of a request
 */
export async function httpFromHere(url: string, timeout: number): Promise<Request> {
  const started = performance.now();
  const end = (outcome: Outcome, body = "", status?: number): Request => ({
    from: "the host",
    to: url,
    outcome,
    body,
    ...(status === undefined ? {} : { status }),
    milliseconds: Math.round(performance.now() - started),
  });
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      send(url, { agent: false, signal: AbortSignal.timeout(timeout) }, resolve)
        .on("error", reject)
        .end();
    });
    return end("answered", await text(response), response.statusCode);
  } catch (error) {
    const { code, name, errors } = error as NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] };
    if (name === "AbortError" || name === "TimeoutError" || code === "ABORT_ERR") return end("silent");
    // localhost has two addresses; Node tries both and reports both ends.
    const outcome = outcomes[code ?? ""] ?? outcomes[errors?.[0]?.code ?? ""];
    if (outcome === undefined) throw error;
    return end(outcome);
  }
}
