import { jsonOf, outputOf, type Peer } from "../../helpers/probe/peer.ts";

/** A CNI configuration list, as far as claims look at it (CNI specification, section 1). */
export interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly {
    readonly type: string;
    readonly ipMasq?: boolean;
    readonly mtu?: number;
    readonly capabilities?: Readonly<Record<string, boolean>>;
    readonly ipam?: {
      readonly type: string;
      readonly dataDir?: string;
      readonly routes?: readonly { readonly dst: string }[];
      readonly ranges?: readonly (readonly { readonly subnet: string }[])[];
    };
  }[];
}

/** Where kindnetd writes a node's CNI configuration. */
export const conflistPath = "/etc/cni/net.d/10-kindnet.conflist";

/** Returns a node's CNI configuration as kindnetd wrote it. @throws ProbeFailed where it is not there or not JSON */
export async function readConflist(node: Peer): Promise<Conflist> {
  return jsonOf<Conflist>(node, "the node's CNI configuration", ["cat", conflistPath]);
}

/** Returns the folder in which host-local keeps a file for each address that it gave out by a configuration. */
export function leasesFolder({ name, plugins }: Conflist): string {
  return `${plugins[0]?.ipam?.dataDir}/${name}`;
}

/** Returns the plugins that a configuration names, those for addresses too. */
export function pluginsOf({ plugins }: Conflist): string[] {
  return plugins.flatMap(({ type, ipam }) => [type, ...(ipam === undefined ? [] : [ipam.type])]);
}

/** Returns the names of a node's CNI configurations; its container runtime uses the first (containerd's CRI, max_conf_num). */
export async function configurationsOf(node: Peer): Promise<string[]> {
  const listed = await outputOf(node, "what configures CNI on the node", ["ls", "/etc/cni/net.d"]);
  return listed.split("\n").filter((name) => /\.(conf|conflist|json)$/.test(name));
}
