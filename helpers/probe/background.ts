import { randomBytes } from "node:crypto";
import { outputOf, type Peer } from "./peer.ts";

/** A command that runs on while others do. */
export interface Background {
  /** Process ID in the peer's namespace. */
  readonly pid: string;
  /** Returns what it has printed so far, errors too. */
  output(): Promise<string>;
  /** Sends it SIGINT, which a capture or a port-forward ends on; one that has ended already is fine. */
  stop(): Promise<void>;
}

/** Starts a command in the background of a peer, which needs a shell. */
export async function inBackground(peer: Peer, title: string, command: readonly string[]): Promise<Background> {
  const file = `/tmp/knc-${randomBytes(4).toString("hex")}.log`;
  // The file is there before anybody asks what is in it.
  const script = 'file="$1"; shift; : >"$file"; "$@" >"$file" 2>&1 </dev/null & echo $!';
  const pid = (await outputOf(peer, title, ["sh", "-c", script, "sh", file, ...command])).trim();
  return {
    pid,
    output: () => outputOf(peer, `${title}: what it printed`, ["cat", file]),
    stop: async () => {
      // A shell has background commands ignore SIGINT unless they ask for it; SIGTERM ends the rest.
      await peer.run(`${title}: end it`, [
        "sh",
        "-c",
        'kill -INT "$0" 2>/dev/null; kill -TERM "$0" 2>/dev/null; true',
        pid,
      ]);
    },
  };
}
