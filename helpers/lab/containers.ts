import { randomBytes } from "node:crypto";
import { pastProxies } from "../cluster/nodes.ts";
import { outsiderLabel } from "../cluster/outsider.ts";
import { engineCommand, removeContainers } from "../engine/engine.ts";
import type { CommandResult } from "../host/command.ts";
import type { IpFamily } from "../probe/ip.ts";
import { jsonOf, outputOf, type Peer } from "../probe/peer.ts";
import { ofFamily } from "./peers.ts";
import type { Session } from "./session.ts";

/** A network of the engine's, as far as its containers tell (`docker inspect`). */
type ContainerNetworks = Readonly<Record<string, { readonly IPAddress: string; readonly GlobalIPv6Address: string }>>;

/** How a container is started. */
interface ContainerOptions {
  /** The engine's default network if absent; `host` is the machine's own. */
  readonly network?: string;
  /** A name of its own on that network. */
  readonly alias?: string;
  /** A setting of its network namespace, as `name=value`. */
  readonly sysctl?: string;
  /** It may set rules of netfilter and routes in its network namespace. */
  readonly mayChangeNetwork?: boolean;
}

/** The container engine: containers and networks beside the cluster, which end with the check. */
export class Containers implements Peer {
  readonly label = "the container engine's client";
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Returns how a command of the engine's client ended; the client may be given something to read. */
  async run(title: string, words: readonly string[], timeout = 20_000, input?: string): Promise<CommandResult> {
    const { engine } = this.#session.stage.context;
    return this.#session.recorded(title, [engine.cli, ...words], () =>
      engineCommand(engine, words, {
        signal: this.#session.signal,
        timeout,
        ...(input === undefined ? {} : { input }),
      }),
    );
  }

  /** Starts a container that sleeps, from the nodes' own image, and returns its ID. */
  async start(title: string, { network, alias, sysctl, mayChangeNetwork }: ContainerOptions = {}): Promise<string> {
    const options = [
      ...(network === undefined ? [] : [`--network=${network}`]),
      ...(alias === undefined ? [] : [`--network-alias=${alias}`]),
      ...(mayChangeNetwork === true ? ["--cap-add=NET_ADMIN"] : []),
      ...(sysctl === undefined ? [] : [`--sysctl=${sysctl}`]),
    ];
    const { engine, outsider, run } = this.#session.stage.context;
    const image = await outputOf(this, "the nodes' image", ["inspect", "--format", "{{.Config.Image}}", outsider]);
    const command = [...pastProxies, ...options, "--entrypoint", "sleep", image.trim(), "infinity"];
    const id = (await outputOf(this, title, ["run", "--detach", "--label", outsiderLabel(run), ...command])).trim();
    this.#session.afterwards(() => removeContainers(engine, [id]));
    return id;
  }

  /** Makes a bridge network and returns its name. */
  async createNetwork(title: string): Promise<string> {
    const name = `knc-${randomBytes(4).toString("hex")}`;
    const label = outsiderLabel(this.#session.stage.context.run);
    await outputOf(this, title, ["network", "create", "--label", label, name]);
    this.#session.afterwards(async () => void (await this.run("remove it", ["network", "rm", name])));
    return name;
  }

  /** Returns a container as a place to run commands. */
  inside(container: string): Peer {
    return {
      label: `the container ${container.slice(0, 12)}`,
      run: (title, command, timeout) => this.run(title, ["exec", container, ...command], timeout),
    };
  }

  /** Starts a command in a container that goes on by itself. @throws ProbeFailed if it did not start */
  async startInside(container: string, title: string, command: readonly string[]): Promise<void> {
    await outputOf(this, title, ["exec", "--detach", container, ...command]);
  }

  /** Puts a container on one more network. */
  async connect(title: string, network: string, container: string): Promise<void> {
    await outputOf(this, title, ["network", "connect", network, container]);
  }

  /** Returns the link that is the bridge of the engine's default network. */
  async defaultBridge(title: string): Promise<string> {
    const format = '{{index .Options "com.docker.network.bridge.name"}}';
    return (await outputOf(this, title, ["network", "inspect", "--format", format, "bridge"])).trim();
  }

  /** Returns what of a container's ports is published, as the engine prints it. */
  async publishedPorts(title: string, container: string): Promise<string> {
    return (await outputOf(this, title, ["port", container])).trim();
  }

  /** Returns the networks that a container is on, with its address on each. */
  async networksOf(title: string, container: string): Promise<ContainerNetworks> {
    return jsonOf(this, title, ["inspect", "--format", "{{json .NetworkSettings.Networks}}", container]);
  }

  /** Returns the driver of a network. */
  async driverOf(title: string, network: string): Promise<string> {
    return (await outputOf(this, title, ["network", "inspect", "--format", "{{.Driver}}", network])).trim();
  }

  /** Returns a container's address of one family. @throws ProbeFailed if it has none */
  async addressOf(title: string, container: string, family: IpFamily): Promise<string> {
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
    const addresses = await outputOf(this, title, ["inspect", "--format", format, container]);
    return ofFamily(family, addresses.split(/\s+/).filter(Boolean));
  }
}
