import { randomBytes } from "node:crypto";
import { type Background, inBackground } from "./background.ts";
import { outputOf, type Peer, ProbeFailed } from "./peer.ts";
import { until } from "./until.ts";

/** A packet as tcpdump prints it. Ports are absent where the protocol has none. */
export interface Packet {
  readonly from: string;
  readonly fromPort?: number;
  readonly to: string;
  readonly toPort?: number;
  /** Time to live: one less at every router. */
  readonly ttl: number;
}

/** A capture that runs. */
export interface Capture {
  /** Returns the packets seen so far. */
  packets(): Promise<Packet[]>;
  stop(): Promise<void>;
}

/**
 * Starts tcpdump on an interface of a peer and returns once it listens; it ends by itself after two minutes.
 *
 * @param filter in the language of pcap-filter(7)
 * @throws ProbeFailed where tcpdump says why it does not listen; NotInTime where it says nothing for 30 s
 */
export async function startCapture(peer: Peer, device: string, filter: string): Promise<Capture> {
  const tcpdump = await startTcpdump(peer, device, filter, ["-nn", "-v", "-l"]);
  return { packets: async () => packetsIn(await tcpdump.output()), stop: () => tcpdump.stop() };
}

/**
 * Bytes kept of a packet, and KiB of the buffer before tcpdump reads: one that kept whole packets would have room for eight,
 * and lose the ninth of a burst without a word.
 */
const size = ["-s", "512", "-B", "8192"] as const;

/** It says so at once; a node with a dozen of them to start takes seconds. */
const reportMs = 30_000;

async function startTcpdump(
  peer: Peer,
  device: string,
  filter: string,
  options: readonly string[],
): Promise<Background> {
  const command = [
    "timeout",
    "120",
    "tcpdump",
    ...options,
    ...size,
    "-p",
    "-Z",
    "root",
    "--immediate-mode",
    "-i",
    device,
    filter,
  ];
  const tcpdump = await inBackground(peer, `${peer.label}: tcpdump -i ${device} '${filter}'`, command);
  const said = await until(
    `tcpdump to listen on ${device} of ${peer.label}`,
    reportMs,
    () => tcpdump.output(),
    (text) => startOf(text) !== undefined,
  );
  if (startOf(said) === "refused") throw new ProbeFailed(`tcpdump on ${peer.label}: ${said.trim()}`);
  return tcpdump;
}

/**
 * Returns whether tcpdump listens or refused to, by what it has printed so far; `undefined` while neither is said. It writes its
 * name first and why after that, so that its name alone says nothing.
 */
export function startOf(printed: string): "listens" | "refused" | undefined {
  if (printed.includes("listening on")) return "listens";
  return /^tcpdump: (?!data link|listening|WARNING)\S/m.test(printed) ? "refused" : undefined;
}

/** A capture that is kept as a file. */
export interface RecordedPackets {
  /** Returns what tcpdump prints of the packets seen so far: one at a time, with the interface, absolute sequence numbers and the TTL. */
  text(): Promise<string>;
  /** Returns the file: pcap(5), by way of Linux' interface `any` (LINKTYPE_LINUX_SLL2). */
  pcap(): Promise<Buffer>;
  /** @throws ProbeFailed where packets were lost: then nobody knows which */
  stop(): Promise<void>;
}

/**
 * Starts tcpdump on all interfaces of a peer and returns once it listens; it ends by itself after two minutes.
 *
 * @param filter in the language of pcap-filter(7)
 * @throws ProbeFailed where tcpdump says why it does not listen; NotInTime where it says nothing for 30 s
 */
export async function recordPackets(peer: Peer, filter: string): Promise<RecordedPackets> {
  const file = `/tmp/knc-${randomBytes(4).toString("hex")}.pcap`;
  const tcpdump = await startTcpdump(peer, "any", filter, ["-U", "-w", file]);
  return {
    text: () =>
      outputOf(peer, `${peer.label}: the packets`, ["tcpdump", "-v", "-nn", "-tt", "-S", "-Z", "root", "-r", file]),
    pcap: async () => Buffer.from(await outputOf(peer, `${peer.label}: the file`, ["base64", file]), "base64"),
    stop: async () => {
      await tcpdump.stop();
      const counted = /(\d+) packets? dropped by kernel/;
      const said = await until(
        `tcpdump on ${peer.label} to say how many packets it lost`,
        reportMs,
        () => tcpdump.output(),
        (text) => counted.test(text),
      );
      await peer.run("remove the file", ["rm", "-f", file]);
      const lost = Number(counted.exec(said)?.[1]);
      if (lost > 0) throw new ProbeFailed(`tcpdump on ${peer.label} lost ${lost} packets`);
    },
  };
}

const lines = /IP6? \([^)]*?(?:ttl|hlim) (\d+)[^\n]*\)\s+(\S+) > (\S+): /g;

/** Returns the packets in what `tcpdump -nn -v` printed (tcpdump(8), OUTPUT FORMAT). */
export function packetsIn(text: string): Packet[] {
  return [...text.matchAll(lines)].map(([, ttl, from = "", to = ""]) => {
    const [source, target] = [endOf(from), endOf(to)];
    return {
      from: source.address,
      ...(source.port === undefined ? {} : { fromPort: source.port }),
      to: target.address,
      ...(target.port === undefined ? {} : { toPort: target.port }),
      ttl: Number(ttl),
    };
  });
}

/** `10.244.1.2.80` and `fd00::2.80` are an address and a port, `10.244.1.2` is an address. */
function endOf(text: string): { address: string; port?: number } {
  const [, address, port] =
    (text.includes(":") ? /^([^.]+)\.(\d+)$/ : /^(\d+\.\d+\.\d+\.\d+)\.(\d+)$/).exec(text) ?? [];
  return address === undefined ? { address: text } : { address, port: Number(port) };
}
