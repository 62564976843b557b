import type { KubernetesApi, WatchEvent } from "./api.ts";
import type { Wake } from "./until.ts";

/** A watch of a list, which begins when somebody waits for something in it. */
export class Watch<T> implements Disposable {
  readonly #api: Pick<KubernetesApi, "watch">;
  readonly #path: string;
  readonly #waiting = new Set<(event: WatchEvent<T>) => void>();
  readonly #end = new AbortController();
  #isOpen = false;

  /** @param path of a list */
  constructor(api: Pick<KubernetesApi, "watch">, path: string) {
    this.#api = api;
    this.#path = path;
  }

  /** Returns what wakes at the next event that is of interest. Where the server ends the watch, it begins anew with who waits next. */
  wake(isOfInterest: (event: WatchEvent<T>) => boolean): Wake {
    return async (signal) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const tell = (event: WatchEvent<T>) => {
        if (isOfInterest(event)) resolve();
      };
      this.#waiting.add(tell);
      this.#begin();
      const ended = () => resolve();
      signal.addEventListener("abort", ended);
      await promise;
      signal.removeEventListener("abort", ended);
      this.#waiting.delete(tell);
    };
  }

  #begin(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const tell = (event: WatchEvent<T>) => {
      for (const each of this.#waiting) each(event);
    };
    this.#api
      .watch<T>(this.#path, tell, this.#end.signal, { hold: false })
      // Who waits looks by itself, too.
      .catch(() => {})
      .finally(() => {
        this.#isOpen = false;
      });
  }

  /** Nobody waits for anything in the list any more. */
  [Symbol.dispose](): void {
    this.#end.abort();
  }
}
