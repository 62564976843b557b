import { expect } from "vitest";
import { z } from "zod";
import { refuse } from "../../changes/admission.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { type ApiAnswer, collectionPath, type KubernetesObject, refusalOf } from "../../probe/api.ts";
import { readyMade } from "../parts/define.ts";
import { inCast, type Manifest, scopeOf } from "../parts/objects.ts";
import { Changeable } from "./api.ts";

const Fields = z.record(z.string(), z.unknown());

/** By which label the objects of a check are told from others; its value is the first one's name. */
const label = "operated";
const annotated = (name: string) => ({ metadata: { annotations: { [name]: "true" } } });

/** How one write ended, with what was written as the answer has it, and the object when it is read again. */
interface Written {
  readonly code: number;
  readonly message: string;
  readonly stored: unknown;
  readonly readAgain: unknown;
}

export const apiOperations = readyMade({
  says: "Objects of a kind can be created, read, listed, watched, patched, updated and deleted, one by one and all with a label.",
  turnedBy: "the API server refuses to update them, to write their status, or to delete them by a label: `refused`",
  parameters: z.strictObject({
    object: Changeable.describe("a manifest of the first object, in the namespace of the cast if it names none"),
    more: z.array(z.string()).min(1).describe("names of further ones, alike, which are deleted by their label"),
    beside: z.string().describe("the name of one that is alike but for the label, and stays"),
    change: Fields.default({ metadata: { labels: { changed: "yes" } } }).describe("a strategic merge patch"),
    status: z
      .strictObject({ patch: Fields, update: Fields, apart: z.boolean().default(false) })
      .optional()
      .describe(
        "what is merged into the object at `status`; with `apart: true` the second is written at the object itself before, and must have no effect",
      ),
    refused: z
      .enum(["UPDATE", "status", "DELETECOLLECTION"])
      .default("UPDATE")
      .describe("what the control has refused"),
  }),
  example: {
    object: {
      ...{ apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata: { name: "operated" } },
      spec: { controller: "example.test/controller" },
    },
    more: ["operated-too"],
    beside: "operated-not",
  },
  make: ({ object, more, beside, change, status, refused }) => ({
    observe: async (lab) => {
      const discovered = await discover(lab, object);
      return { discovered, found: discovered ? await operate(lab, { object, more, beside, change, status }) : null };
    },
    judge: ({ discovered, found }) => {
      const { apiVersion, kind } = object;
      const { name } = object.metadata;
      expect(discovered, `the API server tells of ${kind} in ${apiVersion}`).toBe(true);
      if (found === null) return;
      const all = [name, ...more].toSorted();
      expect(found.created, `HTTP statuses of creating ${all.length + 1} of ${kind}`).toEqual(
        [...all, beside].map(() => 201),
      );
      expect(found.read, `${name}, read, is the one that was created`).toEqual({ code: 200, same: true });
      for (const listed of found.listed) expect(listed, `those with the label, in a list`).toEqual(all);
      const wrote = (what: string, { code, message, stored, readAgain }: Written, wanted: unknown) => {
        expect(code, `the HTTP status of ${what} ${name}: ${code} ${message}`).toBe(200);
        expect(stored, `what the answer has of it, ${what} ${name}`).toEqual(wanted);
        expect(readAgain, `what is read of it afterwards, ${what} ${name}`).toEqual(wanted);
      };
      wrote("patching", found.patched, annotated("patched"));
      wrote("changing", found.changed, change);
      wrote("updating", found.updated, annotated("updated"));
      if (status !== undefined && found.status !== null) {
        expect(found.status.read, `${name}, read at status, is the one that was created`).toEqual({
          code: 200,
          same: true,
        });
        if (status.apart)
          expect(found.status.beside, "what an update of the object itself has left in the status").not.toEqual(
            status.update["status"],
          );
        wrote("patching the status of", found.status.patched, status.patch);
        wrote("updating the status of", found.status.updated, status.update);
      }
      expect(
        found.versions.every((version, index) => index === 0 || version > (found.versions[index - 1] ?? 0)),
        `each write makes the resourceVersion greater: ${found.versions.join(", ")}`,
      ).toBe(true);
      expect(found.deleted.code, `the HTTP status of deleting ${name}`).toBe(200);
      expect(found.deleted.there, `${name} is there once it was deleted`).toBe(false);
      expect(found.deleted.left, `those with the label once ${name} was deleted`).toEqual(more.toSorted());
      expect(found.collected.code, `the HTTP status of deleting all with the label: ${found.collected.message}`).toBe(
        200,
      );
      expect(found.collected.left, "those with the label once all were deleted").toEqual([]);
      expect(found.collected.beside, `the HTTP status of reading ${beside} then`).toBe(200);
      for (const watched of found.watched)
        expect(watched, `what a watch told of ${name}`).toEqual(
          expect.arrayContaining(events({ more, change, status })),
        );
    },
    control: live(`the API server refuses ${inWords[refused]}`, (lab) => {
      const { kind } = object;
      const [collected = ""] = more;
      return refuse(
        lab,
        {
          ...{ kind, name: refused === "DELETECOLLECTION" ? collected : object.metadata.name, ...scopeOf(lab, kind) },
          operations: [refused === "status" ? "UPDATE" : refused],
          ...(refused === "status" ? { subresource: refused } : {}),
        },
        "not this one",
      );
    }),
  }),
});

const inWords = {
  UPDATE: "to update the object",
  status: "to write its status",
  DELETECOLLECTION: "to delete it with all others that have the label",
};

/** Returns what a watch has to tell: each kind of change, as {@link eventsOf} names it. */
function events({ more, change, status }: Pick<Operated, "more" | "change" | "status">): string[] {
  const writes = [annotated("patched"), change, annotated("updated"), status?.patch, status?.update];
  const modified = writes.flatMap((write) => marksOf(write ?? {}).map((mark) => `MODIFIED ${mark}`));
  return ["ADDED", ...modified, "DELETED", ...more.map((name) => `DELETED ${name}`)];
}

/** Returns the names of an object's annotations and labels. */
function marksOf(object: object): string[] {
  const { metadata = {} } = object as { metadata?: { annotations?: object; labels?: object } };
  return Object.keys({ ...metadata.annotations, ...metadata.labels });
}

/** Returns whether the API's own description of itself has the group, its version and the kind there. */
async function discover(lab: Lab, { apiVersion, kind }: Manifest): Promise<boolean> {
  const ask = async <T>(path: string) =>
    (await lab.api.request(`what is at ${path}`, "GET", path)).body as Partial<T> | undefined;
  const has = (versions: readonly { groupVersion: string }[] | undefined) =>
    versions?.some(({ groupVersion }) => groupVersion === apiVersion) === true;
  const [group = "", version] = apiVersion.split("/");
  const there =
    version === undefined
      ? (await ask<{ versions: string[] }>("/api"))?.versions?.includes(apiVersion) === true
      : (await ask<{ groups: { name: string; versions: { groupVersion: string }[] }[] }>("/apis"))?.groups?.some(
          ({ name, versions }) => name === group && has(versions),
        ) === true && has((await ask<{ versions: { groupVersion: string }[] }>(`/apis/${group}`))?.versions);
  const path = version === undefined ? `/api/${apiVersion}` : `/apis/${apiVersion}`;
  const { resources = [] } = (await ask<{ resources: { kind: string }[] }>(path)) ?? {};
  return there && resources.some((resource) => resource.kind === kind);
}

interface Stored extends KubernetesObject {
  readonly metadata: KubernetesObject["metadata"] & {
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

interface Operated {
  readonly object: Manifest;
  readonly more: readonly string[];
  readonly beside: string;
  readonly change: Readonly<Record<string, unknown>>;
  readonly status:
    | {
        readonly patch: Readonly<Record<string, unknown>>;
        readonly update: Readonly<Record<string, unknown>>;
        readonly apart: boolean;
      }
    | undefined;
}

/** Does with the objects whatever the API offers, and returns what came of each. */
async function operate(lab: Lab, { object, more, beside, change, status }: Operated) {
  const { name } = object.metadata;
  const first = inCast(lab, object);
  const path = collectionPath(first);
  const one = `${path}/${name}`;
  const everywhere = path.replace(/\/namespaces\/[^/]+/, "");
  const lists = [...new Set([path, everywhere])].map((list) => `${list}?labelSelector=${label}=${name}`);
  const [list = ""] = lists;
  const { body } = await lab.api.request("those with the label, before there are any", "GET", list);
  const since = (body as Stored).metadata.resourceVersion ?? "";

  const answers = [];
  for (const [named, value] of [...[name, ...more].map((each) => [each, name]), [beside, "not"]] as const) {
    const { labels, ...metadata } = first.metadata as { labels?: object; [key: string]: unknown };
    const alike = { ...first, metadata: { ...metadata, name: named, labels: { ...labels, [label]: value } } };
    answers.push(await lab.api.tryCreate(`create ${named}`, alike));
  }
  const [created] = answers as [ApiAnswer];
  const uid = (created.body as Stored).metadata.uid ?? null;
  const versions = [created.body];
  const write = async (wanted: unknown, ask: () => Promise<ApiAnswer>): Promise<Written> => {
    // A controller may write meanwhile.
    const answer = await lab.eventually(ask, ({ code }) => code !== 409);
    versions.push(answer.body);
    const { body: again } = await lab.api.request("read it again", "GET", one);
    const [stored, readAgain] = [answer.body, again].map((each) => partOf(each, wanted));
    return { code: answer.code, message: refusalOf(answer), stored, readAgain };
  };
  const patch = (title: string, at: string, type: string, changes: unknown) =>
    write(changes, () => lab.api.request(title, "PATCH", at, { type, body: changes }));
  /** @param besides what is written too, and need not be stored */
  const update = (title: string, at: string, wanted: object, besides: object = {}) =>
    write(wanted, async () => {
      const { body: found } = await lab.api.request("as it is", "GET", one);
      return lab.api.request(title, "PUT", at, { body: merged(found, { ...besides, ...wanted }) });
    });
  const reading = async (title: string, at: string) => {
    const { code, body } = await lab.api.request(title, "GET", at);
    return { code, same: uid !== null && (body as Partial<Stored>).metadata?.uid === uid };
  };

  const read = await reading("read it", one);
  const listed = await Promise.all(lists.map(async (each) => labelled(lab, "list those with the label", each)));
  const merge = "application/merge-patch+json";
  const patched = await patch("patch it", one, merge, annotated("patched"));
  const changed = await patch("change it", one, "application/strategic-merge-patch+json", change);
  const updated = await update(
    "update it",
    one,
    annotated("updated"),
    status?.apart === true ? { status: status.update["status"] } : {},
  );
  const at = `${one}/status`;
  const writtenStatus =
    status === undefined
      ? null
      : {
          beside: partOf((await lab.api.request("its status", "GET", one)).body, status.update)["status"],
          read: await reading("read it at status", at),
          patched: await patch("patch its status", at, merge, status.patch),
          updated: await update("update its status", at, status.update),
        };
  const deleted = { code: (await lab.api.request("delete it", "DELETE", one)).code, there: await isThere(lab, one) };
  const left = await labelled(lab, "list those that are left", list);
  const collected = await lab.api.request("delete all with the label", "DELETE", list);
  const rest = await labelled(lab, "list those that are left then", list);
  const watched = await Promise.all(
    lists.map((each) =>
      lab.eventually(
        () => eventsOf(lab, each, since, name),
        (seen) => events({ more, change, status }).every((event) => seen.includes(event)),
      ),
    ),
  );
  return {
    created: answers.map(({ code }) => code),
    ...{ read, listed, patched, changed, updated, status: writtenStatus },
    versions: versions.map((written) => Number((written as Partial<Stored>).metadata?.resourceVersion ?? 0)),
    deleted: { ...deleted, left },
    collected: {
      ...{ code: collected.code, message: refusalOf(collected), left: rest },
      beside: (await lab.api.request("the one beside", "GET", `${path}/${beside}`)).code,
    },
    watched,
  };
}

/** Returns whether an object can be read and is not being deleted. */
async function isThere(lab: Lab, path: string): Promise<boolean> {
  const { code, body } = await lab.api.request("is it there", "GET", path);
  return code !== 404 && (body as Partial<Stored>).metadata?.deletionTimestamp === undefined;
}

/** Returns the names of the objects in a list, but those that are being deleted: somebody may still have a finalizer on them. */
async function labelled(lab: Lab, title: string, list: string): Promise<string[]> {
  const { body } = await lab.api.request(title, "GET", list);
  const { items = [] } = body as { items?: readonly Stored[] };
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata.name)
    .toSorted();
}

/**
 * Returns what a watch from a resourceVersion on tells: each kind of event of an object, with the annotations and labels that it
 * has then, and of others with their names.
 */
async function eventsOf(lab: Lab, list: string, since: string, name: string): Promise<string[]> {
  const path = `${list}&watch=true&resourceVersion=${since}&timeoutSeconds=1`;
  const { body } = await lab.api.request("watch those with the label", "GET", path);
  // One event a line; a single one is JSON as a whole.
  const told: unknown[] = typeof body === "string" ? body.split("\n").filter(Boolean).map(parsed) : [body];
  return (told as { type: string; object: Stored }[]).flatMap(({ type, object: { metadata } }) => {
    // Somebody may still have a finalizer on what is deleted.
    const kind = metadata.deletionTimestamp === undefined ? type : "DELETED";
    return metadata.name === name
      ? [kind, ...marksOf({ metadata }).map((mark) => `${type} ${mark}`)]
      : [`${kind} ${metadata.name}`];
  });
}

function parsed(line: string): unknown {
  return JSON.parse(line);
}

/** Returns of a value what has the shape of another: its keys and as many items, null where there is nothing. */
function partOf<T>(value: unknown, shape: T): T {
  const at = (key: string | number) => (value as Record<string | number, unknown> | null | undefined)?.[key];
  if (Array.isArray(shape)) return shape.map((item, index) => partOf(at(index), item)) as T;
  if (typeof shape === "object" && shape !== null)
    return Object.fromEntries(Object.entries(shape).map(([key, inner]) => [key, partOf(at(key), inner)])) as T;
  return (value ?? null) as T;
}

/** Returns an object with others' fields in the place of its own, as a merge patch would leave it (RFC 7386). */
function merged(value: unknown, changes: unknown): unknown {
  if (typeof changes !== "object" || changes === null || Array.isArray(changes)) return changes;
  const own = typeof value === "object" && value !== null ? value : {};
  const inner = Object.entries(changes).map(([key, change]) => [
    key,
    merged((own as Record<string, unknown>)[key], change),
  ]);
  return { ...own, ...Object.fromEntries(inner) };
}
