import { AsyncLocalStorage } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { z } from "zod";

/** Something that was done, and how long it took. */
export const LedgerEntry = z.strictObject({
  kind: z.enum(["phase", "claim", "wait", "request", "command"]),
  what: z
    .string()
    .describe("a phase's name, a claim's id, what was awaited, a request's method and path, or a command's words"),
  begun: z.number().describe("milliseconds since 1970"),
  lasted: z.number().describe("milliseconds"),
  claim: z.string().optional().describe("for which it was done; absent if it was done for all"),
  pods: z.int().optional().describe("that a request created, or has a controller create"),
  limit: z.number().optional().describe("of a wait: milliseconds after which it would have been given up"),
  came: z.boolean().optional().describe("of a wait: whether it came in time"),
  by: z.string().optional().describe("of a wait: the place in a spec that waited, or in a helper"),
});
export type LedgerEntry = z.infer<typeof LedgerEntry>;

/** What is awaited where a check waits for what its claim says. */
export const claimedWords = "what is claimed";

/** The file in the output folder that has a run's entries, one in a line. */
export const ledgerFile = "ledger.jsonl";

/** Everything that was done is a message on this channel when it ends: a {@link LedgerEntry}. */
export const ledger = channel("kind-network-conformance:ledger");

/** Characters of what an entry says: commands can have whole files among their words. */
const longest = 200;

const claims = new AsyncLocalStorage<string>();

/** Does something for a claim: what it comes to do stands in the ledger under the claim's name. */
export async function forClaim<T>(claim: string, work: () => Promise<T>): Promise<T> {
  return claims.run(claim, () => entered("claim", claim, work));
}

/** Does something, enters it in the ledger, and returns what came of it. */
export async function entered<T>(
  kind: LedgerEntry["kind"],
  what: string,
  work: () => Promise<T>,
  more: Pick<LedgerEntry, "pods"> = {},
): Promise<T> {
  const end = begin(kind, what);
  try {
    return await work();
  } finally {
    end(more);
  }
}

/** Returns what enters something in the ledger that begins now, when it is called at the end. */
export function begin(kind: LedgerEntry["kind"], what: string): (more?: Partial<LedgerEntry>) => void {
  if (!ledger.hasSubscribers) return () => {};
  const started = performance.now();
  const claim = claims.getStore();
  const by = kind === "wait" ? { by: placeIn(new Error("waiting").stack ?? "") } : {};
  return (more = {}) =>
    ledger.publish({
      ...{
        kind,
        what: what.slice(0, longest),
        begun: performance.timeOrigin + started,
        lasted: performance.now() - started,
      },
      ...(claim === undefined ? {} : { claim }),
      ...by,
      ...more,
    } satisfies LedgerEntry);
}

/** Returns the place in a spec that is among the calls of a stack, or the nearest in a helper. */
function placeIn(stack: string): string {
  const calls = stack.split("\n").flatMap((line) => /(?:specs|helpers)\/[^):]+/.exec(line) ?? []);
  const near = calls.filter((call) => !/\/(?:until|ledger)\.[jt]s$/.test(call));
  return near.find((call) => call.startsWith("specs/")) ?? near[0] ?? "";
}

/** Keeps the ledger of this process in an output folder, beside what other processes of the run enter there, until it is disposed. */
export function keepLedger(out: string): Disposable {
  const keep = (entry: unknown) => appendFileSync(join(out, ledgerFile), `${JSON.stringify(entry)}\n`);
  ledger.subscribe(keep);
  return { [Symbol.dispose]: () => ledger.unsubscribe(keep) };
}
