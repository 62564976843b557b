import type { V1Namespace, V1ObjectMeta, V1Pod } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { ownCni } from "../../helpers/claim/world.ts";
import { namespaceLabel } from "../../helpers/lab/cast.ts";
import { openRun } from "../../helpers/lab/stage.ts";
import { printed } from "./article.ts";
import { articleNamespace } from "./walkthrough.ts";

/** The one image that is pulled as the article names it: busybox, without a tag. */
const literal = /--image=(\S+)/.exec(printed.step("ask in a temporary pod").text)?.[1];

test("Every container that the suite runs is of an image on the image lock.", async ({ skip }) => {
  const { run, stage } = openRun();
  skip(run.world.proxyFailure !== undefined, `the suite runs no container: ${run.world.proxyFailure}`);
  const { api, context, world } = await stage;
  const locked = new Map(Object.values(context.images).map(({ reference, id }) => [reference, id]));
  const items = async <T extends { metadata?: V1ObjectMeta }>(path: string) =>
    (await api.get<{ items: T[] }>(path)).items;
  const ours = () => items<V1Namespace>(`/api/v1/namespaces?labelSelector=${namespaceLabel}`);
  // Checks have namespaces of their own, which are labelled, and come and go meanwhile.
  const earlier = await ours();
  const pods = await items<V1Pod>("/api/v1/pods");
  const namespaces = new Set([...earlier, ...(await ours())].map(({ metadata }) => metadata?.name ?? ""));
  // The article's lab names no namespace. Others have pods there: its own are labelled, or a labelled Deployment's.
  const inDefault = `/apis/apps/v1/namespaces/${articleNamespace}`;
  const deployments = await items(`${inDefault}/deployments?labelSelector=${namespaceLabel}`);
  const replicaSets = (await items(`${inDefault}/replicasets`)).filter((each) => isOwnedBy(each, deployments));
  const isOfTheLab = (pod: V1Pod) => namespaceLabel in (pod.metadata?.labels ?? {}) || isOwnedBy(pod, replicaSets);
  const own = pods.filter((pod) => namespaces.has(pod.metadata?.namespace ?? "") || isOfTheLab(pod));
  const statuses = own
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .filter(({ state }) => state?.running !== undefined);
  expect(statuses.length).toBeGreaterThan(0);
  const imagesOf = (some: readonly V1Pod[]) =>
    some.flatMap((pod) => pod.spec?.containers ?? []).map(({ image }) => image ?? "");
  // A check runs the cluster's own kube-proxy once more.
  const ofTheCluster = new Set(imagesOf(pods.filter(({ metadata }) => metadata?.namespace === "kube-system")));
  const allowed = (image: string) => locked.has(image) || image === literal || ofTheCluster.has(image);
  expect(imagesOf(own).filter((image) => !allowed(image))).toEqual([]);
  for (const { image, imageID } of statuses) {
    const id = [...locked].find(([reference]) => image.endsWith(reference))?.[1];
    if (id !== undefined) expect(imageID, `the id of the image ${image}, as the node reports it`).toBe(id);
  }
  // What is not ours came with the node image or is the cell's CNI plugin, and lives in its own namespaces.
  const others = new Set(pods.filter((pod) => !own.includes(pod)).map((pod) => pod.metadata?.namespace));
  // A pod of the lab is there before its Deployment is labelled.
  others.delete(articleNamespace);
  const another = world.cni === ownCni ? [] : [`kube-${world.cni}`];
  if (world.fresh) expect(others).toEqual(new Set(["kube-system", "local-path-storage", ...another]));
});

function isOwnedBy({ metadata }: { metadata?: V1ObjectMeta }, owners: readonly { metadata?: V1ObjectMeta }[]): boolean {
  return (metadata?.ownerReferences ?? []).some(({ uid }) => owners.some((owner) => owner.metadata?.uid === uid));
}
