import { createServer } from "node:http";
import { refuse, storeOtherwise } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostPort, request } from "../../helpers/probe/http.ts";
import { addressOf } from "../../helpers/walkthrough/walkthrough.ts";
import { articleNamespace } from "./walkthrough.ts";

/** What nginx greets with, whichever version serves it. */
export const welcome = "Welcome to nginx!";

/** The article's lab is typed in one namespace, so that one change is tried after another. */
export const lane = "the article's lab";
/** The Deployment of the article's lab. */
export const webApp = { kind: "Deployment", name: "web-app" } as const;
/** When a change of what is stored is made: not with a status. */
export const kept = { operations: ["CREATE", "UPDATE"] } as const;
/** A Service of the article's lab; others have its names too. */
export const labService = (name: string) => ({ kind: "Service", name, namespace: articleNamespace }) as const;

/** Nothing of the lab can be created. */
export const refused = live(
  "the API server refuses what is applied",
  async (lab) => {
    await refuse(lab, webApp, "not here");
    await refuse(lab, labService("web-clusterip"), "not here");
    await refuse(lab, labService("web-nodeport"), "not here");
  },
  { lane },
);

/** The Services of the lab are for another port. */
export const otherPorts = live(
  "the Services get other ports than the manifests say",
  async (lab) => {
    const value = patch.replace("/spec/ports/0/port", 81);
    await storeOtherwise(lab, labService("web-clusterip"), value);
    await storeOtherwise(lab, labService("web-nodeport"), value);
  },
  { lane },
);

/** Something else than nginx answers. */
export const otherServer = live(
  "the Deployment's pods run another server than nginx",
  (lab) =>
    storeOtherwise(
      lab,
      { ...webApp, ...kept },
      patch.replace("/spec/template/spec/containers/0/image", lab.objects.image("agnhost")),
      patch.add("/spec/template/spec/containers/0/args", ["netexec", "--http-port=80", "--udp-port=-1"]),
    ),
  { lane },
);

/** Leads the host's localhost:30080 to the control plane, as a port mapping does; what is beside the node reaches it wherever the host is. */
export async function publish(lab: Lab): Promise<void> {
  const address = addressOf(lab.controlPlane);
  const asked = (path = "") =>
    request(lab.outsider, `http://${hostPort(address, 30_080)}${path}`, lab.timeouts.attempt);
  const server = createServer((incoming, answer) => {
    asked(incoming.url).then(
      ({ status, body }) => (status === undefined ? answer.destroy() : answer.writeHead(status).end(body)),
      () => answer.destroy(),
    );
  });
  lab.afterwards(() => new Promise((closed) => server.close(() => closed())));
  await new Promise<void>((listening, failed) => {
    server.once("error", failed).listen(30_080, "127.0.0.1", () => listening());
  });
}
