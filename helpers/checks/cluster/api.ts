import { expect } from "vitest";
import { z } from "zod";
import { refuse } from "../../changes/admission.ts";
import { positiveControl } from "../../claim/verdict.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { refusalOf } from "../../probe/api.ts";
import { readyMade } from "../parts/define.ts";
import {
  ChangeableKind,
  inCast,
  Manifest,
  makeObjects,
  Objects,
  pace,
  StoredOtherwise,
  scopeOf,
  storePatched,
} from "../parts/objects.ts";

export const Changeable = Manifest.extend({ kind: ChangeableKind }).describe(
  "a manifest in full, in the namespace of the cast if it names none",
);

/** Returns the value at a path such as `spec.ports.0.port`, or null if there is none. */
function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.split("."))
    value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return value ?? null;
}

export const objectIsStoredWith = readyMade({
  says: "An object that is created has these values in these fields.",
  turnedBy: "`control`, which has the API server store another object",
  parameters: z.strictObject({
    object: Changeable,
    fields: z
      .record(z.string(), z.unknown())
      .refine((fields) => Object.keys(fields).length > 0, "must name a field")
      .describe("path such as `spec.ports.0.port` and value; null: the field is absent"),
    control: StoredOtherwise.describe(
      "`name`, what is changed in words, and `patch`, a JSON Patch of the object that is stored",
    ),
  }),
  example: {
    object: {
      ...{ apiVersion: "v1", kind: "Service", metadata: { name: "no-type" } },
      spec: { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] },
    },
    fields: { "spec.type": "ClusterIP" },
    control: {
      name: "a Service that asks for no type becomes a NodePort Service",
      patch: [{ op: "add", path: "/spec/type", value: "NodePort" }],
    },
  },
  make: ({ object, fields, control }) => ({
    observe: async (lab) => {
      const created = await lab.api.create<unknown>(
        `create the ${object.kind} ${object.metadata.name}`,
        inCast(lab, object),
      );
      return { fields: Object.fromEntries(Object.keys(fields).map((path) => [path, valueAt(created, path)])) };
    },
    judge: ({ fields: found }) => {
      for (const [path, value] of Object.entries(fields))
        expect(found[path], `${path} of the ${object.kind} ${object.metadata.name}`).toEqual(value);
    },
    control: live(control.name, (lab) => storePatched(lab, object.kind, object.metadata.name, control.patch)),
  }),
});

/** Returns the API server's answer to an object; `dryRun` asks only, and looks strictly for fields that do not exist. */
async function tried(lab: Lab, manifest: Manifest, { dryRun }: { readonly dryRun: boolean }) {
  const answer = await lab.api.tryCreate(
    `does the API server take ${manifest.kind} ${manifest.metadata.name}`,
    inCast(lab, manifest),
    { dryRun },
  );
  return { code: answer.code, message: refusalOf(answer) };
}

export const apiAccepts = readyMade({
  says: "The API server takes an object as it is, checked strictly, and refuses another.",
  turnedBy: "the API server refuses objects of that kind and name",
  parameters: z.strictObject({
    object: Changeable,
    not: Changeable.describe("the positive control: a manifest, under another name, that is refused"),
  }),
  example: {
    object: { apiVersion: "v1", kind: "Service", metadata: { name: "legal" }, spec: { ports: [{ port: 80 }] } },
    not: { apiVersion: "v1", kind: "Service", metadata: { name: "Illegal" }, spec: { ports: [{ port: 80 }] } },
  },
  make: ({ object, not }) => ({
    observe: async (lab) => {
      const strictly = await tried(lab, object, { dryRun: true });
      return {
        // A dry run is allocated no port or address: what it takes may be refused when it is really made.
        object: strictly.code === 201 ? await tried(lab, object, { dryRun: false }) : strictly,
        not: await tried(lab, not, { dryRun: true }),
      };
    },
    judge: ({ object: { code, message }, not: other }) => {
      positiveControl(other.code >= 400, `the ${not.kind} ${not.metadata.name} is refused`);
      expect(code, `the answer to the ${object.kind} ${object.metadata.name}: HTTP status ${code} ${message}`).toBe(
        201,
      );
    },
    control: live("the API server refuses the object", (lab) =>
      refuse(lab, { kind: object.kind, name: object.metadata.name, ...scopeOf(lab, object.kind) }, "not this one"),
    ),
  }),
});

export const apiRefuses = readyMade({
  says: "The API server refuses an object, for the reason named if one is, and takes another.",
  turnedBy: "`control`, which has the API server take another object in its place",
  parameters: z.strictObject({
    object: Changeable,
    with: z.int().min(400).max(499).default(422).describe("the HTTP status; 422: the object is invalid"),
    reason: z.string().optional().describe("words of the API server's message"),
    not: Changeable.describe("the positive control: a manifest, under another name, that is taken"),
    control: StoredOtherwise.describe(
      "`name`, what is changed in words, and `patch`, a JSON Patch that makes it valid",
    ),
    objects: Objects,
  }),
  example: {
    object: {
      ...{ apiVersion: "v1", kind: "Service", metadata: { name: "below" } },
      spec: { type: "NodePort", ports: [{ port: 80, nodePort: 1024 }] },
    },
    reason: "provided port is not in the valid range",
    not: {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "any" },
      spec: { type: "NodePort", ports: [{ port: 80 }] },
    },
    control: {
      name: "the API server takes the port for no choice, and picks one",
      patch: [{ op: "replace", path: "/spec/ports", value: [{ port: 80, protocol: "TCP", targetPort: 8080 }] }],
    },
  },
  make: ({ object, with: status, reason, not, control, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      await makeObjects(lab, objects);
      return {
        // Only what is really made is allocated a port or an address: a dry run takes any.
        object: await tried(lab, object, { dryRun: false }),
        not: await tried(lab, not, { dryRun: false }),
      };
    },
    judge: ({ object: { code, message }, not: other }) => {
      positiveControl(other.code === 201, `the ${not.kind} ${not.metadata.name} is taken`);
      expect(code, `the HTTP status for the ${object.kind} ${object.metadata.name}`).toBe(status);
      if (reason !== undefined) expect(message, "the reason for refusing it").toContain(reason);
    },
    control: live(control.name, (lab) => storePatched(lab, object.kind, object.metadata.name, control.patch)),
  }),
});
