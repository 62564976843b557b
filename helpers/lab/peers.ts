import type { V1Pod } from "@kubernetes/client-node";
import type { WorldNode } from "../claim/world.ts";
import type { CommandResult } from "../host/command.ts";
import { execInPod, type PodShells } from "../probe/exec.ts";
import { hostPort } from "../probe/http.ts";
import { hostPrefix, type IpFamily, ipFamilyOf } from "../probe/ip.ts";
import { outputOf, type Peer, ProbeFailed, startingTime } from "../probe/peer.ts";
import type { Session } from "./session.ts";

/** A place to send probes from and to. */
export interface AddressedPeer extends Peer {
  /** Of the cluster's family of addresses, or the first where it has both. */
  readonly address: string;
  /** One of each family on a dual-stack cluster. */
  readonly addresses: readonly string[];
  /** Returns the peer's address with that port, as a URL has them. */
  on(port: number): string;
}

/** A pod as a place to send probes from and to. */
export interface PodPeer extends AddressedPeer {
  readonly labels: Readonly<Record<string, string>>;
}

/** A node as a place to send requests to and to run commands on, in its own namespaces. */
export type NodePeer = AddressedPeer & WorldNode;

/** How a pod is used as a place to send probes from. */
export interface PodPeerOptions {
  /** The first one if absent. */
  readonly container?: string | undefined;
  /** The caller keeps what is worth keeping. */
  readonly silent?: boolean;
  /** The check ends its container, and a shell that stays would end with it. */
  readonly ends?: boolean;
}

/** Returns the address or the subnet of a family. @throws ProbeFailed if there is none of that family */
export function ofFamily(family: IpFamily, candidates: readonly string[]): string {
  const found = candidates.find((candidate) => ipFamilyOf(candidate) === family);
  if (found === undefined) throw new ProbeFailed(`none of ${family} among ${candidates.join(", ") || "no addresses"}`);
  return found;
}

/** Returns a pod as a place to send probes from and to. @throws Error if it has no address */
export function podPeer(session: Session, pod: V1Pod, options: PodPeerOptions): PodPeer {
  const { container = pod.spec?.containers[0]?.name ?? "", silent = false, ends = false } = options;
  const { api, podShells, timeouts } = session.stage;
  const { name = "", namespace = "", uid, labels = {} } = pod.metadata ?? {};
  const run: PodShells = ends ? (...command) => execInPod(api.config, ...command) : podShells;
  const address = pod.status?.podIP;
  if (address === undefined) throw new Error(`the pod ${name} has no address`);
  return {
    address,
    addresses: pod.status?.podIPs?.flatMap(({ ip }) => ip ?? []) ?? [address],
    labels: { ...labels },
    label: `${name} (${address})`,
    on: (port) => hostPort(address, port),
    run: (title, command, timeout = timeouts.answer + startingTime) =>
      session.recorded(
        title,
        ["kubectl", "exec", "-n", namespace, name, "-c", container, "--", ...command],
        () =>
          run(
            { namespace, pod: name, uid, container },
            command,
            AbortSignal.any([session.signal, AbortSignal.timeout(timeout)]),
          ),
        silent,
      ),
  };
}

/** Returns a node as a place to send requests to and to run commands on. */
export function nodePeer(session: Session, node: WorldNode, silent: boolean): NodePeer {
  // The first of its family, which every node has (claim/world.ts).
  const address = node.addresses[0] ?? "";
  return {
    ...node,
    ...containerPeer(session, node.name, `${node.name} (${address})`, silent),
    address,
    on: (port) => hostPort(address, port),
  };
}

/** The client outside the cluster, on the cluster's own container network. */
export class Outsider implements AddressedPeer {
  readonly label: string;
  /** Its addresses on that network, IPv4 first. */
  readonly addresses: readonly string[];
  readonly #session: Session;
  readonly #family: IpFamily;
  readonly #peer: Peer;

  constructor(session: Session, family: IpFamily) {
    const { name, addresses } = session.stage.outsider;
    this.#session = session;
    this.#family = family;
    this.addresses = addresses;
    this.#peer = containerPeer(session, name, `outsider (${addresses[0]})`, false);
    this.label = this.#peer.label;
  }

  /** Its address of the cluster's family. @throws ProbeFailed if it has none */
  get address(): string {
    return ofFamily(this.#family, this.addresses);
  }

  /** Returns its address with that port, as a URL has them. */
  on(port: number): string {
    return hostPort(this.address, port);
  }

  /** Returns how a command on it ended, after at most `timeout` milliseconds; what was run is kept as evidence. */
  async run(title: string, command: readonly string[], timeout?: number): Promise<CommandResult> {
    return this.#peer.run(title, command, timeout);
  }

  /** Gives it a route to one address, in its own namespace only, as `ip route` is told; it is forgotten when the check ends. */
  async routeTo(title: string, address: string, ...way: readonly string[]): Promise<void> {
    await outputOf(this, title, ["ip", "route", "replace", hostPrefix(address), ...way]);
    this.#session.afterwards(
      async () => void (await this.run("forget it", ["ip", "route", "del", hostPrefix(address)])),
    );
  }
}

/** Returns a container of the engine's as a place to run commands. */
function containerPeer(session: Session, name: string, label: string, silent: boolean): Peer {
  const { containers, context, timeouts } = session.stage;
  return {
    label,
    run: (title, command, timeout = timeouts.answer + startingTime) =>
      session.recorded(
        title,
        [context.engine.cli, "exec", name, ...command],
        () => containers.run(name, command, { signal: session.signal, timeout }),
        silent,
      ),
  };
}
