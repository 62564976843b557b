import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { hostPort, meet, request } from "../helpers/probe/http.ts";

async function podNamed(lab: Lab, name: string): Promise<V1Pod> {
  return lab.get<V1Pod>(`the pod ${name}`, `/api/v1/namespaces/${lab.namespace}/pods/${name}`);
}

/** Waits until a server pod answers at an address of its own, and returns that address. */
async function answering(lab: Lab, name: string): Promise<string> {
  const { status } = await lab.until(
    `an address of ${name}`,
    () => podNamed(lab, name),
    (pod) => pod.status?.podIP !== undefined,
  );
  const address = status?.podIP ?? "";
  await lab.until(
    `${name} to answer`,
    () => meet(lab.pod("client-1"), hostPort(address, 8080), lab.timeouts.attempt),
    ({ pod }) => pod === name,
  );
  return address;
}

claim("pod-ip-changes-on-replacement", {
  observe: async (lab) => {
    const pod = lab.serverPod("replaced", {});
    const created = await lab.create<V1Pod>("a pod", pod);
    const before = await answering(lab, "replaced");
    await lab.delete("the pod", pod);
    const replacement = await lab.create<V1Pod>("another pod of the same name", pod);
    const after = await answering(lab, "replaced");
    return { before: { uid: created.metadata?.uid, ip: before }, after: { uid: replacement.metadata?.uid, ip: after } };
  },
  judge: ({ before, after }) => {
    positiveControl(before.uid !== after.uid, "the second pod is another one");
    expect(after.ip, "the address of the pod that took the first one's place").not.toBe(before.ip);
  },
});

claim("pod-ip-changes-on-restart", {
  observe: async (lab) => {
    await lab.create<V1Pod>("a pod", lab.serverPod("restarted", {}));
    const before = await answering(lab, "restarted");
    await request(lab.pod("client-1"), `http://${hostPort(before, 8080)}/exit?code=1`, lab.timeouts.attempt);
    const restarted = await lab.until(
      "the container to be restarted",
      () => podNamed(lab, "restarted"),
      ({ status }) =>
        status?.containerStatuses?.[0]?.restartCount === 1 && status.containerStatuses[0].state?.running !== undefined,
    );
    const after = await answering(lab, "restarted");
    return { before, after, restarts: restarted.status?.containerStatuses?.[0]?.restartCount };
  },
  judge: ({ before, after, restarts }) => {
    positiveControl(restarts === 1, "the container was restarted once");
    expect(after, "the pod's address after its container was restarted").not.toBe(before);
  },
});

claim("selector-picks-the-pods", {
  observe: async (lab) => {
    const app = "picked";
    await lab.service(app, { selector: { app }, ports: [{ port: 80, targetPort: 8080 }] });
    const names = ["picked-1", "picked-2", "passed-over"];
    for (const name of names)
      await lab.create<V1Pod>(
        `the pod ${name}`,
        lab.serverPod(name, name.startsWith("picked") ? { app } : { app: "other" }),
      );
    const addresses = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await answering(lab, name)] as const)),
    );
    const endpoints = () => lab.endpointsOf(app);
    const all = await lab.until("endpoints for both pods", endpoints, (found) => found.length === 2);
    await lab.relabel("picked-2", { app: "other" });
    const fewer = await lab.until("one endpoint less", endpoints, (found) => found.length !== 2);
    return { addresses, all, fewer };
  },
  judge: ({ addresses, all, fewer }) => {
    expect(new Set(all), "endpoints of the Service").toEqual(new Set([addresses["picked-1"], addresses["picked-2"]]));
    expect(fewer, "its endpoints after one pod's label was changed").toEqual([addresses["picked-1"]]);
  },
});

claim("port-is-what-the-service-exposes", {
  observe: async (lab) => {
    const { spec } = await lab.service("other-port", {
      selector: { app: "server" },
      ports: [{ port: 8081, targetPort: 8080 }],
    });
    const ask = (port: number) =>
      meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", port), lab.timeouts.attempt);
    return {
      onPort: await lab.until(
        "the Service to answer",
        () => ask(8081),
        ({ outcome }) => outcome === "answered",
      ),
      onTargetPort: await ask(8080),
    };
  },
  judge: ({ onPort, onTargetPort }) => {
    expect(onPort.outcome, `${onPort.to}, the Service's port`).toBe("answered");
    expect(onTargetPort.outcome, `${onTargetPort.to}, the port of its pods`).not.toBe("answered");
  },
});

claim("target-port-is-the-pods-port", {
  observe: async (lab) => {
    const ask = async (name: string, targetPort: number) => {
      const { spec } = await lab.service(name, { selector: { app: "server" }, ports: [{ port: 80, targetPort }] });
      return () => meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", 80), lab.timeouts.attempt);
    };
    const [right, wrong] = [await ask("right-target", 8080), await ask("wrong-target", 8099)];
    return {
      right: await lab.until("the Service to answer", right, ({ outcome }) => outcome === "answered"),
      wrong: await lab.until("the other one to be refused", wrong, ({ outcome }) => outcome === "refused"),
    };
  },
  judge: ({ right, wrong }) => {
    expect(right.outcome, "the Service whose targetPort is the port that the pods listen on").toBe("answered");
    expect(wrong.outcome, "the Service whose targetPort is another").toBe("refused");
  },
});
