import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import pRetry from "p-retry";
import { begin, claimedWords } from "../host/ledger.ts";

/** Thrown when something awaited did not come about in time; tells what, for how long, and what was last seen. */
export class NotInTime extends Error {
  override name = "NotInTime";
  readonly last: unknown;

  constructor(message: string, last: unknown) {
    super(message);
    this.last = last;
  }
}

class NotYet extends Error {}

/** Returns a promise that resolves when it is worthwhile to look again, and never rejects. The signal tells that nobody waits any more. */
export type Wake = (signal: AbortSignal) => Promise<void>;

/** Who is to be woken looks after so long all the same: what wakes may have ended. Milliseconds. */
const unwoken = 2_000;

/** Between two looks there is so much time at least. Milliseconds. */
const shortest = 100;

/**
 * Returns the first value of `look` that is `done`, asking again after 100 ms, then ever more slowly up to 1 s. With `wake`: whenever it
 * wakes, and every 2 s.
 *
 * @param what is awaited, as the rest of "waited … for"
 * @throws NotInTime with the value last seen, after `milliseconds`; whatever `look` throws, at once
 */
export async function until<T>(
  what: string,
  milliseconds: number,
  look: () => Promise<T>,
  done: (value: T) => boolean,
  signal?: AbortSignal,
  wake?: Wake,
): Promise<T> {
  let last: T | undefined;
  let woken: Promise<void> | undefined;
  const limit = performance.now() + milliseconds;
  const over = new AbortController();
  const end = begin("wait", what);
  const ended = (came: boolean) => end({ limit: milliseconds, came });
  try {
    const found = await pRetry(
      async () => {
        // Before the look: what changes meanwhile wakes, too.
        woken = wake?.(over.signal);
        last = await look();
        if (!done(last)) throw new NotYet();
        return last;
      },
      {
        retries: Number.POSITIVE_INFINITY,
        minTimeout: wake === undefined ? shortest : 0,
        maxTimeout: 1_000,
        factor: 1.5,
        maxRetryTime: milliseconds,
        onFailedAttempt: async ({ error }) => {
          if (woken === undefined || !(error instanceof NotYet)) return;
          const rest = limit - performance.now();
          const pause = async (most: number) =>
            delay(Math.max(0, most), undefined, signal === undefined ? {} : { signal }).catch(() => {});
          // The last look is just before time is up.
          await Promise.all([
            Promise.race([woken, pause(Math.min(unwoken, rest - shortest))]),
            pause(Math.min(shortest, rest)),
          ]);
        },
        shouldRetry: ({ error }) => error instanceof NotYet,
        ...(signal === undefined ? {} : { signal }),
      },
    );
    ended(true);
    return found;
  } catch (error) {
    if (!(error instanceof NotYet)) throw error;
    ended(false);
    throw new NotInTime(
      `waited ${milliseconds / 1000} s for ${what}; last seen: ${excerpt(JSON.stringify(last))}`,
      last,
    );
  } finally {
    over.abort();
  }
}

/** Characters of what was last seen that an error tells: a list of objects of the cluster has thousands. */
const tellingCharacters = 2_000;

function excerpt(json: string | undefined = "nothing"): string {
  return json.length > tellingCharacters ? `${json.slice(0, tellingCharacters)} …` : json;
}

/**
 * Returns the first value of `look` that is `done`, or the last one seen after `milliseconds`: for what a claim says will
 * come about, so that its not coming is an observation.
 *
 * @throws whatever `look` throws, at once
 */
export async function eventually<T>(
  milliseconds: number,
  look: () => Promise<T>,
  done: (value: T) => boolean,
  signal?: AbortSignal,
): Promise<T> {
  try {
    return await until(claimedWords, milliseconds, look, done, signal);
  } catch (error) {
    if (!(error instanceof NotInTime)) throw error;
    return error.last as T;
  }
}
