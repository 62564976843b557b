import { outputOf, type Peer, ProbeFailed } from "./peer.ts";

/**
 * Returns the ID of the process of a program on a node, the one that was started first, in the node's own network or in one that
 * a pod has.
 *
 * @throws ProbeFailed where there is none
 */
export async function processOf(
  node: Peer,
  program: string,
  network: "the node's" | "a pod's" = "the node's",
): Promise<string> {
  // Nodes may lack ps and pgrep; a process may end while it is looked at.
  const script = `
    own=$(readlink /proc/self/ns/net)
    for process in /proc/[0-9]*; do
      read -r name < "$process/comm" && [ "$name" = "$0" ] && echo "\${process#/proc/} $(readlink "$process/ns/net") $own"
    done 2>/dev/null | sort -n`;
  const found = await outputOf(node, `${program}'s processes, and their networks`, ["sh", "-c", script, program]);
  const processes = found.split("\n").map((line) => line.split(" "));
  const [pid = ""] =
    processes.find(([, its, own]) => its !== undefined && (its === own) === (network === "the node's")) ?? [];
  if (pid === "") throw new ProbeFailed(`no process ${program} in ${network} network on ${node.label}`);
  return pid;
}
