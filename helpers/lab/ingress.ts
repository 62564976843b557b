import { randomInt } from "node:crypto";
import { type Request, request } from "../probe/http.ts";
import { answered } from "./ask.ts";
import type { Lab } from "./lab.ts";

/** What an Ingress asks for: who is to answer at a host and a path. */
const wanted = [
  { host: "one.example.test", path: "/", backend: "front" },
  { host: "one.example.test", path: "/api", backend: "back" },
  { host: "two.example.test", path: "/", backend: "back" },
  { host: "three.example.test", path: "/only", backend: "front" },
] as const;
const nobodys = { host: "three.example.test", path: "/elsewhere" } as const;

/** Who answered an outsider there. */
interface Routed {
  readonly host: string;
  readonly path: string;
  /** The pod that the Ingress asks for. */
  readonly backend: string;
  readonly outcome: Request["outcome"];
  readonly status?: number;
  readonly body: string;
}

/** Who answers an outsider at the port of an Ingress controller. */
interface WithIngress {
  /** The controller itself, while there is no Ingress. */
  readonly before: Pick<Request, "outcome" | "status" | "body">;
  readonly answers: readonly Routed[];
  /** Who answers at a path of a host that the Ingress has, where it has only another path. */
  readonly nobodys: Pick<Request, "outcome" | "status" | "body">;
}

/**
 * Returns who answers by an Ingress, which is made once for all claims that ask: an Ingress controller and two pods are started in a
 * namespace of their own, and an outsider asks at the Ingress' hosts and paths.
 *
 * @param ports the first of the node's ports from which the controller has one: articles that are checked on one cluster have others
 */
export async function withIngress(lab: Lab, name: string, ports: number): Promise<WithIngress> {
  return lab.together(`who answers by the Ingress ${name}`, () => tryIngress(lab, name, ports));
}

async function tryIngress(lab: Lab, name: string, ports: number): Promise<WithIngress> {
  const namespace = await lab.ownNamespace("ingress");
  const node = lab.worker(0);
  const port = ports + randomInt(400);
  const values = { namespace, node: node.name, port: String(port) };
  for (const part of lab.objects.manifest("ingress.yaml", values))
    await lab.api.create(`${part.kind} ${part.metadata.name}`, part);
  await Promise.all(["front", "back"].map((backend) => startBackend(lab, backend, namespace)));
  const ask = async (host: string, path: string) => {
    const url = `http://${node.on(port)}${path}`;
    const { outcome, status, body } = await request(lab.outsider, url, lab.timeouts.answer, host);
    return { outcome, ...(status === undefined ? {} : { status }), body };
  };
  const before = await lab.until(
    "the controller to answer",
    () => ask(wanted[0].host, wanted[0].path),
    answered,
    lab.timeouts.podsReady,
  );
  await lab.api.create("an Ingress", ingress(name, namespace));
  const answers = await lab.eventually(
    () => Promise.all(wanted.map(async (route) => ({ ...route, ...(await ask(route.host, route.path)) }))),
    (all) => all.every(({ backend, body }) => body === backend),
  );
  return { before, answers, nobodys: await ask(nobodys.host, nobodys.path) };
}

/** A Service with a pod that gives its own name, whatever it is asked for. */
async function startBackend(lab: Lab, name: string, namespace: string): Promise<void> {
  const labels = { app: name };
  const containers = [{ name: "server", image: lab.objects.image("agnhost"), args: ["serve-hostname"] }];
  await lab.services.create(name, { selector: labels, ports: [{ port: 80, targetPort: 9376 }] }, namespace);
  await lab.pods.start(lab.objects.serverPod(name, labels, { containers }, namespace));
}

function ingress(name: string, namespace: string) {
  const hosts = [...new Set(wanted.map(({ host }) => host))];
  const rules = hosts.map((host) => {
    const paths = wanted
      .filter((route) => route.host === host)
      .map(({ path, backend }) => ({
        path,
        pathType: "Prefix",
        backend: { service: { name: backend, port: { number: 80 } } },
      }));
    return { host, http: { paths } };
  });
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name, namespace },
    spec: { ingressClassName: namespace, rules },
  };
}
