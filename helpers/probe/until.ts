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

/**
 * Returns the first value of `look` that is `done`, asking again after 100 ms, then ever more slowly up to 1 s.
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
): Promise<T> {
  let last: T | undefined;
  const end = begin("wait", what);
  const ended = (came: boolean) => end({ limit: milliseconds, came });
  try {
    const found = await pRetry(
      async () => {
        last = await look();
        if (!done(last)) throw new NotYet();
        return last;
      },
      {
        retries: Number.POSITIVE_INFINITY,
        minTimeout: 100,
        maxTimeout: 1_000,
        factor: 1.5,
        maxRetryTime: milliseconds,
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
