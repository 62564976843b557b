import { performance } from "node:perf_hooks";
import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { claim } from "./article.ts";

claim("slices-go-with-the-service", {
  observe: async (lab) => {
    const name = "gone-with-it";
    await lab.services.create(name, leadsTo({ app: "matches-nothing" }));
    const slices = async () => (await lab.services.slicesOf(name)).map(({ metadata }) => metadata?.name ?? "");
    const before = await lab.eventually(slices, ({ length }) => length > 0);
    await lab.api.delete("the Service", lab.objects.service(name, {}));
    // The garbage collector may have to look for new kinds of objects first, as it does every 30 s.
    return { before, after: await lab.eventually(slices, ({ length }) => length === 0, lab.timeouts.podsReady) };
  },
  judge: ({ before, after }) => {
    positiveControl(before.length > 0, "the Service has an EndpointSlice");
    expect(after.join(", "), "EndpointSlices once the Service was deleted").toBe("");
  },
  control: live("an EndpointSlice of the Service has no owner, so that nobody deletes it", (lab) =>
    lab.api.create("an EndpointSlice without an owner", {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: "gone-with-nobody",
        namespace: lab.namespace,
        labels: { "kubernetes.io/service-name": "gone-with-it" },
      },
      addressType: "IPv4",
      endpoints: [],
    }),
  ),
});

/** As many as Kubernetes' own test needs at least, and as many at a time as it makes. */
const [services, atATime] = [100, 15];

claim("new-services-have-endpoints-within-seconds", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "measured-by-a-hundred" };
    await lab.pods.start(lab.objects.serverPod("measured-by-a-hundred", labels));
    // Labels of a Service are its slices', too.
    const mark = { "conformance.test/latency": "measured" };
    const begun = new Map<string, number>();
    const latencies: Record<string, number> = {};
    const over = new AbortController();
    const watching = lab.api.watch(
      "the Services' EndpointSlices",
      "EndpointSlice",
      { namespace: lab.namespace, labels: mark },
      ({ object: { metadata, endpoints } }) => {
        const name = metadata?.labels?.["kubernetes.io/service-name"] ?? "";
        const since = begun.get(name);
        if (since !== undefined && (endpoints ?? []).length > 0)
          latencies[name] ??= Math.round(performance.now() - since);
      },
      over.signal,
    );
    // Told when it is over.
    watching.catch(() => {});
    const waiting = Array.from({ length: services }, (_, index) => `latency-${index}`);
    const until = performance.now() + lab.timeouts.podsReady;
    const makeOneByOne = async () => {
      for (let name = waiting.pop(); name !== undefined && performance.now() < until; name = waiting.pop()) {
        const { metadata, ...service } = lab.objects.service(name, leadsTo(labels));
        begun.set(name, performance.now());
        await lab.api.create(name, { ...service, metadata: { ...metadata, labels: mark } }, { silent: true });
        await lab.eventually(async () => latencies[name ?? ""], Number.isInteger, until - performance.now());
      }
    };
    await Promise.all(Array.from({ length: atATime }, makeOneByOne));
    over.abort();
    await watching;
    const sorted = Object.values(latencies).toSorted((a, b) => a - b);
    lab.note(
      "milliseconds from the creation of each Service to its first endpoint",
      `kubectl create service clusterip latency-N, ${atATime} at a time\n${sorted.join(" ")}`,
    );
    return { milliseconds: sorted };
  },
  judge: ({ milliseconds }) => {
    expect(milliseconds.length, `Services that had an endpoint, of ${services}`).toBe(services);
    const percentile = (part: number) => milliseconds[Math.floor((milliseconds.length * part) / 100)];
    expect(percentile(50), "milliseconds within which half of the Services had an endpoint").toBeLessThanOrEqual(
      20_000,
    );
    expect(percentile(99), "milliseconds within which 99 of 100 Services had an endpoint").toBeLessThanOrEqual(50_000);
  },
  control: live("the pod has another label than the Services select", (lab) =>
    mutate.pod(lab, "measured-by-a-hundred", patch.add("/metadata/labels", { app: "another" })),
  ),
});
