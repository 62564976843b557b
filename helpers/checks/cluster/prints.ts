import { expect } from "vitest";
import { z } from "zod";
import { positiveControl } from "../../claim/verdict.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { outputOf } from "../../probe/peer.ts";
import { NodeName, nodeNamed, readyMade } from "../parts/define.ts";

const Command = z.array(z.string()).min(1);

const Pattern = z.string().refine(isPattern, "must be a regular expression");

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, "m").multiline;
  } catch {
    return false;
  }
}

/** Where the address of a pod of the cast stands in a command or a pattern. */
const addressOf = /<address-of ([\w-]+)>/g;

/** Returns a text with the addresses that it names. */
function filledIn(lab: Lab, text: string, written: (address: string) => string = (address) => address): string {
  return text.replaceAll(addressOf, (_all, pod: string) => written(lab.pod(pod).address));
}

export const nodesPrint = readyMade({
  says: "On each of these nodes a command prints this, and never that.",
  turnedBy: "`control`, by commands on a node",
  parameters: z
    .strictObject({
      on: z.array(NodeName).min(1).optional().describe("all nodes if absent"),
      command: Command.describe("`<address-of client-1>` in it, and in patterns, is the address of a pod of the cast"),
      prints: z.array(Pattern).default([]).describe("regular expressions that the output has to match, line by line"),
      never: z.array(Pattern).default([]).describe("those that it must not match"),
      besides: Pattern.optional().describe("with `never`: the positive control, which the output of some node matches"),
      control: z
        .strictObject({
          name: z.string().describe("what is changed, as a sentence that could follow `what if`"),
          on: NodeName.default("worker-1"),
          run: z.array(Command).min(1).describe("commands that make the change, one after another"),
          undo: z.array(Command).min(1).describe("commands that take it back"),
          alone: z.boolean().default(false).describe("other checks feel it too"),
        })
        .describe("a change under which the sentence is false: `name`, `on` a node, `run` and `undo`"),
    })
    .refine(({ prints, never }) => prints.length + never.length > 0, { error: "must have prints or never" })
    .refine(({ never, besides }) => never.length === 0 || besides !== undefined, {
      error: "is needed with never: what shows that the command works",
      path: ["besides"],
    }),
  example: {
    command: ["ip", "-details", "link", "show", "up"],
    never: [String.raw`^\s+bridge\b`],
    besides: String.raw`^\s+veth\b`,
    control: {
      name: "a node has a bridge",
      run: [
        ["ip", "link", "add", "knc-example", "type", "bridge"],
        ["ip", "link", "set", "knc-example", "up"],
      ],
      undo: [["ip", "link", "del", "knc-example"]],
    },
  },
  make: ({ on, command, prints, never, besides, control }) => ({
    observe: async (lab) => {
      const nodes = on?.map((node) => nodeNamed(lab, node)) ?? lab.nodes;
      const words = command.map((word) => filledIn(lab, word));
      const patterns = (texts: readonly string[]) =>
        texts.map((text) => filledIn(lab, text, (address) => address.replaceAll(".", String.raw`\.`)));
      return {
        ...{ prints: patterns(prints), never: patterns(never) },
        nodes: await Promise.all(
          nodes.map(async (node) => {
            // That it fails may be what the sentence rules out: then it prints nothing.
            const { stdout } = await node.run(`what ${words[0]} prints`, words);
            return { node: node.name, printed: stdout };
          }),
        ),
      };
    },
    judge: ({ prints: wanted, never: unwanted, nodes }) => {
      positiveControl(
        besides === undefined || nodes.some(({ printed }) => new RegExp(besides, "m").test(printed)),
        `${command.join(" ")} prints what matches ${besides}`,
      );
      for (const { node, printed } of nodes) {
        for (const text of wanted)
          expect(printed, `what ${command.join(" ")} printed on ${node}`).toMatch(new RegExp(text, "m"));
        for (const text of unwanted)
          expect(
            new RegExp(text, "m").exec(printed)?.[0].trim() ?? null,
            `what ${command.join(" ")} printed on ${node} that matches ${text}`,
          ).toBeNull();
      }
    },
    control: live(
      control.name,
      async (lab) => {
        const node = nodeNamed(lab, control.on);
        const run = async (title: string, commands: readonly (readonly string[])[]) => {
          for (const words of commands)
            await outputOf(
              node,
              title,
              words.map((word) => filledIn(lab, word)),
            );
        };
        lab.afterwards(() => run(`no longer: ${control.name}`, control.undo));
        await run(control.name, control.run);
      },
      { alone: control.alone },
    ),
  }),
});
