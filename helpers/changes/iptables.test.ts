import { expect, test } from "vitest";
import type { Lab } from "../lab/lab.ts";
import type { NodePeer } from "../lab/peers.ts";
import { rules } from "./iptables.ts";

/** What was typed on a node, and what is to be typed when the change ends. */
function typed() {
  const commands: string[] = [];
  const undo: (() => Promise<void>)[] = [];
  const lab = { iptables: "iptables", afterwards: (act: () => Promise<void>) => undo.push(act) } as unknown as Lab;
  const node = {
    run: (_title: string, words: readonly string[]) => {
      commands.push(words.join(" "));
      return Promise.resolve({ failed: false, stdout: "" });
    },
  } as unknown as NodePeer;
  return { on: rules(lab, node), commands, undo };
}

test("rules stand in front until the change ends", async () => {
  const { on, commands, undo } = typed();
  await on.drop({ from: "10.0.0.1", to: "10.0.0.2", port: "1:9" });
  await on.drop({ to: "10.0.0.2" }, ["filter", "OUTPUT"]);
  await on.redirect({ port: 80 }, "10.0.0.3:8080");
  await on.keepSource({ to: "10.0.0.2", protocol: "tcp" });
  await on.drop({ port: 53, protocol: "udp" });
  await on.dropOwn(10256);
  await on.masquerade({ from: "10.0.0.0/8" });
  expect(commands.splice(0)).toEqual([
    "iptables -w -t raw -I PREROUTING -s 10.0.0.1 -d 10.0.0.2 -p tcp --dport 1:9 -j DROP",
    "iptables -w -t filter -I OUTPUT -d 10.0.0.2 -j DROP",
    "iptables -w -t nat -I PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.3:8080",
    "iptables -w -t nat -I POSTROUTING -d 10.0.0.2 -p tcp -j ACCEPT",
    "iptables -w -t raw -I PREROUTING -p udp --dport 53 -j DROP",
    "iptables -w -t raw -I OUTPUT -o lo -p tcp --dport 10256 -j DROP",
    "ip6tables -w -t raw -I OUTPUT -o lo -p tcp --dport 10256 -j DROP",
    "iptables -w -t nat -I POSTROUTING -s 10.0.0.0/8 -j MASQUERADE",
  ]);
  await undo.at(-1)?.();
  expect(commands).toEqual(["iptables -w -t nat -D POSTROUTING -s 10.0.0.0/8 -j MASQUERADE"]);
});
