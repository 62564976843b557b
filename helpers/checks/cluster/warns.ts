import { expect } from "vitest";
import { z } from "zod";
import { positiveControl } from "../../claim/verdict.ts";
import { live } from "../../lab/spec.ts";
import { refusalOf } from "../../probe/api.ts";
import { readyMade } from "../parts/define.ts";
import { ChangeableKind, inCast, Manifest, StoredOtherwise, storePatched } from "../parts/objects.ts";

export const apiWarns = readyMade({
  says: "The API server takes an object, and warns of what the words name.",
  turnedBy: "`control`, which has the API server take another object in its place",
  parameters: z
    .strictObject({
      object: Manifest.describe("a manifest in full, in the namespace of the cast if it names none"),
      words: z.string().min(1).describe("of the warning, as `kubectl` prints it"),
      control: StoredOtherwise.optional().describe(
        "`name`, what is changed in words, and `patch`, a JSON Patch after which nothing is warned of; without it, for what is warned of whatever the object has, the warnings are left out of the observation",
      ),
    })
    .refine(({ object, control }) => control === undefined || ChangeableKind.safeParse(object.kind).success, {
      error: `a control can have these kinds stored otherwise: ${ChangeableKind.options.join(", ")}`,
      path: ["control"],
    }),
  example: {
    object: {
      ...{ apiVersion: "v1", kind: "Service", metadata: { name: "warned-of" } },
      spec: { externalIPs: ["192.0.2.1"], ports: [{ port: 80 }] },
    },
    words: "spec.externalIPs is deprecated",
    control: {
      name: "the Service is stored without external IPs",
      patch: [{ op: "remove", path: "/spec/externalIPs" }],
    },
  },
  make: ({ object, words, control }) => ({
    observe: async (lab) => {
      const answer = await lab.api.tryCreate(
        `what does the API server say to ${object.kind} ${object.metadata.name}`,
        inCast(lab, object),
      );
      return { code: answer.code, message: refusalOf(answer), warnings: [...answer.warnings] };
    },
    judge: ({ code, message, warnings }) => {
      positiveControl(
        code === 201,
        `the ${object.kind} ${object.metadata.name} is taken: HTTP status ${code} ${message}`,
      );
      expect(
        warnings.join("\n") || "none",
        `what the API server warns of at the ${object.kind} ${object.metadata.name}`,
      ).toContain(words);
    },
    control:
      control === undefined
        ? {
            name: `nothing is warned of (the API server does so whatever the ${object.kind} object has)`,
            alter: (seen) => ({ ...seen, warnings: [] }),
          }
        : live(control.name, (lab) =>
            storePatched(lab, ChangeableKind.parse(object.kind), object.metadata.name, control.patch),
          ),
  }),
});
