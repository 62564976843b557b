import type { V1Namespace, V1Pod } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { namespaceLabel } from "../helpers/claim/cast.ts";
import { openRun } from "../helpers/claim/stage.ts";
import { articleNamespace } from "../helpers/claim/walkthrough.ts";
import { ownCni } from "../helpers/world/world.ts";

test("Every container that the suite runs is of an image on the image lock.", async ({ skip }) => {
  const { run, stage } = openRun();
  skip(run.world.proxyFailure !== undefined, `the suite runs no container: ${run.world.proxyFailure}`);
  const { api, context, world } = await stage;
  const locked = new Map(Object.values(context.images).map(({ reference, id }) => [reference, id]));
  const ours = async () =>
    (await api.get<{ items: V1Namespace[] }>(`/api/v1/namespaces?labelSelector=${namespaceLabel}`)).items;
  // The article's lab names no namespace; checks have some of their own, which are labelled, and come and go meanwhile.
  const earlier = await ours();
  const { items } = await api.get<{ items: V1Pod[] }>("/api/v1/pods");
  const labelled = [...earlier, ...(await ours())];
  const namespaces = new Set([articleNamespace, ...labelled.map(({ metadata }) => metadata?.name ?? "")]);
  const own = items.filter((pod) => namespaces.has(pod.metadata?.namespace ?? ""));
  const statuses = own
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .filter(({ state }) => state?.running !== undefined);
  expect(statuses.length).toBeGreaterThan(0);
  const specified = own.flatMap((pod) => pod.spec?.containers ?? []);
  expect(specified.filter(({ image }) => !locked.has(image ?? "")).map(({ image }) => image)).toEqual([]);
  for (const { image, imageID } of statuses) {
    const id = [...locked].find(([reference]) => image.endsWith(reference))?.[1];
    if (id !== undefined) expect(imageID, `the id of the image ${image}, as the node reports it`).toBe(id);
  }
  // What is not ours came with the node image or is the cell's CNI plugin, and lives in its own namespaces.
  const others = new Set(items.filter((pod) => !own.includes(pod)).map((pod) => pod.metadata?.namespace));
  const another = world.cni === ownCni ? [] : [`kube-${world.cni}`];
  if (world.fresh) expect(others).toEqual(new Set(["kube-system", "local-path-storage", ...another]));
});
