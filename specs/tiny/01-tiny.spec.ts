import { answered, expect, live, meet, positiveControl, readArticle, specsOf } from "kind-network-conformance";
import type { Sentences } from "./sentences.ts";

const claim = specsOf<Sentences>(readArticle(import.meta.dirname));

claim("every-pod-has-an-address", {
  observe: async (lab) => ({ addresses: ["client-1", "client-2", "server-1"].map((name) => lab.pod(name).address) }),
  judge: ({ addresses }) => expect(new Set(addresses).size, "different addresses of three pods").toBe(addresses.length),
  control: {
    name: "two pods have one address (no cluster gives one twice)",
    alter: ({ addresses }) => ({ addresses: [...addresses, ...addresses.slice(0, 1)] }),
  },
});

claim("cluster-ip-answers-outside", {
  observe: async (lab) => {
    const target = (await lab.services.get("web")).on(80);
    return {
      inside: await meet(lab.pod("client-1"), target, lab.timeouts.answer),
      outside: await meet(lab.outsider, target, lab.timeouts.silence),
      atNodePort: await meet(
        lab.outsider,
        (await lab.services.get("web-nodeport")).at(lab.worker(0)),
        lab.timeouts.answer,
      ),
    };
  },
  judge: ({ inside, outside }) => {
    positiveControl(answered(inside), "a pod is answered at the cluster IP");
    expect(outside.outcome, `http://${outside.to}, asked from outside`).toBe("answered");
  },
  corrected: ({ atNodePort }) => {
    expect(atNodePort.outcome, `http://${atNodePort.to}, asked from outside`).toBe("answered");
  },
  control: live("the client outside has a route to the cluster IP by a node", async (lab) => {
    const { clusterIP } = await lab.services.get("web");
    await lab.outsider.routeTo("a route by a node", clusterIP, "via", lab.worker(0).address);
  }),
});
