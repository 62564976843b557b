import { expect } from "vitest";
import { mutate, storeOtherwise } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { makeObjects, Objects } from "../../helpers/checks/parts/objects.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo, webPorts } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import type { KubernetesObject } from "../../helpers/probe/api.ts";
import { hostPort, request } from "../../helpers/probe/http.ts";
import { claim } from "./article.ts";

claim("no-slices-without-a-selector", {
  observe: async (lab) => {
    await lab.services.create("without-a-selector", { ports: webPorts });
    await lab.services.create("with-a-selector", leadsTo({ app: "server" }));
    const count = async (name: string) => (await lab.services.slicesOf(name)).length;
    const withSelector = await lab.eventually(
      () => count("with-a-selector"),
      (slices) => slices > 0,
    );
    // The controller may turn to the two in another order.
    const without = await lab.eventually(
      () => count("without-a-selector"),
      (slices) => slices > 0,
      lab.timeouts.window,
    );
    return { withSelector, without };
  },
  judge: ({ withSelector, without }) => {
    positiveControl(withSelector > 0, "a Service with a selector, made after it, has an EndpointSlice");
    expect(without, "EndpointSlices of the Service without a selector").toBe(0);
  },
  control: live("the Service is stored with a selector", (lab) =>
    mutate.selector(lab, "without-a-selector", { app: "server" }),
  ),
});

claim("several-slices-give-several-ports", {
  observe: async (lab) => {
    const name = "several-ports";
    const of = { of: name, pods: ["my-app"] };
    await makeObjects(
      lab,
      Objects.parse({
        services: {
          [name]: {
            ports: [
              { name: "port80", port: 80 },
              { name: "port81", port: 81 },
            ],
          },
        },
        // Two containers of that pod listen on these ports, each on one.
        slices: {
          [`${name}-1`]: { ...of, ports: { port80: 8080 } },
          [`${name}-2`]: { ...of, ports: { port81: 9376 } },
        },
      }),
    );
    const { clusterIP } = await lab.services.get(name);
    const ask = async (address: string, port: number, path: string) => {
      const url = `http://${hostPort(address, port)}${path}`;
      const { body } = await lab.eventually(
        () => request(lab.pod("client-1"), url, lab.timeouts.answer),
        (answer) => answer.body.trim() === "my-app",
      );
      return body.trim();
    };
    // What the second container says at any path is the name of the pod; the first says that at one alone.
    return {
      port80: await ask(clusterIP, 80, "/hostname"),
      port81: await ask(clusterIP, 81, "/"),
      elsewhere: (await request(lab.pod("client-1"), `http://${hostPort(clusterIP, 80)}/`, lab.timeouts.answer)).body,
    };
  },
  judge: ({ port80, port81, elsewhere }) => {
    positiveControl(elsewhere.startsWith("NOW"), `the first container answers otherwise than the second: ${elsewhere}`);
    expect(port80, "who answers at port 80 of the Service").toBe("my-app");
    expect(port81, "who answers at port 81 of the Service").toBe("my-app");
  },
  control: live("the Service has the second port under another name", (lab) =>
    mutate.service(lab, "several-ports", patch.replace("/spec/ports/1/name", "another")),
  ),
});

const selector = { app: "matches-nothing" };

/** Returns how many addresses each Endpoints object of that name has: there is one object, or none. */
async function addressesIn(lab: Lab, name: string): Promise<number[]> {
  const fields = { "metadata.name": name };
  const objects = await lab.api.list(`Endpoints of ${name}`, "Endpoints", { namespace: lab.namespace, fields });
  return objects.map(
    ({ subsets }) =>
      (subsets ?? []).flatMap(({ addresses, notReadyAddresses }) => [
        ...(addresses ?? []),
        ...(notReadyAddresses ?? []),
      ]).length,
  );
}

claim("endpoints-object-is-empty-without-pods", {
  observe: async (lab) => {
    const name = "empty-endpoints";
    await lab.services.create(name, leadsTo(selector));
    const before = await lab.eventually(
      () => addressesIn(lab, name),
      ({ length }) => length > 0,
    );
    await lab.api.delete("the Service", lab.objects.service(name, {}));
    const after = await lab.eventually(
      () => addressesIn(lab, name),
      ({ length }) => length === 0,
    );
    return { before, after };
  },
  judge: ({ before, after }) => {
    expect(before, "addresses in the Endpoints object of the Service").toEqual([0]);
    expect(after, "addresses in Endpoints objects of that name once the Service was deleted").toEqual([]);
  },
  control: live("the Service is stored with a selector that pods match", (lab) =>
    mutate.selector(lab, "empty-endpoints", { app: "server" }),
  ),
});

claim("endpoints-written-by-hand-are-mirrored", {
  observe: async (lab) => {
    const name = "mirrored";
    await lab.services.create(name, { ports: [{ name: "example", port: 80 }] });
    const addresses = ["server-1", "server-2"].map((pod) => lab.pod(pod).address);
    const subsets = addresses.map((ip) => [{ addresses: [{ ip }], ports: [{ name: "example", port: 8080 }] }]);
    const object: KubernetesObject = {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { name, namespace: lab.namespace },
    };
    const copies = async () =>
      (await lab.services.slicesOf(name)).map(({ endpoints, ports }) =>
        (endpoints ?? []).map(
          ({ addresses: found }) => `${found.join(" ")} ${(ports ?? []).map(({ port }) => port).join(" ")}`,
        ),
      );
    // The controller may write a second slice before it has heard of its first.
    const followed = (address = "") =>
      lab.eventually(copies, (all) => all.length > 0 && all.every((each) => each.join() === `${address} 8080`));
    await lab.api.create("Endpoints written by hand", { ...object, subsets: subsets[0] });
    const created = await followed(addresses[0]);
    const { code } = await lab.api.patch("the same with another address", object, { subsets: subsets[1] });
    const updated = await followed(addresses[1]);
    await lab.api.delete("the Endpoints", object);
    return { addresses, created, code, updated, deleted: await lab.eventually(copies, ({ length }) => length === 0) };
  },
  judge: ({ addresses, created, code, updated, deleted }) => {
    positiveControl(code === 200, `the Endpoints object can be updated: HTTP status ${code}`);
    const only = (slices: readonly (readonly string[])[]) =>
      [...new Set(slices.map((each) => each.join(", ") || "no endpoint"))].join("; ") || "no EndpointSlice";
    expect(only(created), "the EndpointSlice of the Endpoints object").toBe(`${addresses[0]} 8080`);
    expect(only(updated), "the EndpointSlice once the Endpoints object was updated").toBe(`${addresses[1]} 8080`);
    expect(only(deleted), "the EndpointSlice once the Endpoints object was deleted").toBe("no EndpointSlice");
  },
  control: live("the Endpoints object is stored with a label that asks for no copy", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Endpoints", name: "mirrored", namespace: lab.namespace },
      patch.add("/metadata/labels", { "endpointslice.kubernetes.io/skip-mirror": "true" }),
    ),
  ),
});
