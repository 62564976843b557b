import type { World } from "../claim/world.ts";
import type { Context } from "../cluster/context.ts";
import type { KubernetesObject } from "../probe/api.ts";
import { readManifest } from "../probe/manifest.ts";
import { imageValues } from "./cast.ts";

/** Labels by their names. */
type Labels = Readonly<Record<string, string>>;
/** A spec as a manifest has it, or a part of one. */
type Spec = Readonly<Record<string, unknown>>;

/** Port 80 of a Service leads to the port that server pods listen on. */
export const webPorts = [{ port: 80, targetPort: 8080 }];

/** Returns what of a Service's spec leads from its port 80 to the server pods with these labels. */
export function leadsTo<Selector extends Labels>(selector: Selector): { selector: Selector; ports: typeof webPorts } {
  return { selector, ports: webPorts };
}

/** Makes objects as they would be created, with the run's images; it asks no cluster. */
export class Objects {
  readonly #context: Pick<Context, "images">;
  readonly #nodes: World["nodes"];
  readonly #namespace: string;

  /** @param namespace what is made is in this one unless another is named */
  constructor(context: Pick<Context, "images">, nodes: World["nodes"], namespace: string) {
    this.#context = context;
    this.#nodes = nodes;
    this.#namespace = namespace;
  }

  /** Returns the name of a workload image. @throws RangeError for an image that the run has not */
  image(name: string): string {
    const image = this.#context.images[name];
    if (image === undefined) throw new RangeError(`no image ${name} in the image lock`);
    return image.reference;
  }

  /** Returns the objects of a manifest in fixtures/workloads, with the images and the given values filled in. */
  manifest(file: string, values: Readonly<Record<string, string>>): KubernetesObject[] {
    return readManifest(file, { ...imageValues(this.#context), ...values });
  }

  /** Returns a Service. */
  service(name: string, spec: Spec, namespace = this.#namespace): KubernetesObject {
    return { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec };
  }

  /** A container that tells who it is and who asks on port 8080. */
  get serverContainer() {
    const args = ["netexec", "--http-port=8080", "--udp-port=8081"];
    return { name: "server", image: this.image("agnhost"), args };
  }

  /** A container with curl, dig, ping and tcpdump. */
  get clientContainer() {
    return { name: "client", image: this.image("probe"), command: ["sleep", "infinity"] };
  }

  /** Returns a pod that tells who it is and who asks on port 8080. */
  serverPod(name: string, labels: Labels, spec: Spec = {}, namespace = this.#namespace): KubernetesObject {
    return this.#pod(name, namespace, labels, { containers: [this.serverContainer], ...spec });
  }

  /** Returns a pod with curl, dig, ping and tcpdump. */
  clientPod(name: string, spec: Spec = {}, namespace = this.#namespace): KubernetesObject {
    return this.#pod(name, namespace, {}, { containers: [this.clientContainer], ...spec });
  }

  /** Returns a Deployment of such servers: ready only once they answer. */
  serverDeployment(
    name: string,
    replicas: number,
    labels: Labels,
    spec: Spec = {},
    namespace = this.#namespace,
  ): KubernetesObject {
    const { metadata, spec: pod } = this.serverPod(name, labels, spec, namespace);
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels: metadata["labels"] }, spec: pod },
      },
    };
  }

  #pod(name: string, namespace: string, labels: Labels, spec: Spec): KubernetesObject {
    // No taint keeps it away from a node that takes pods, nor does it come to another for that.
    const nodes = spec["nodeName"] === undefined ? { affinity: { nodeAffinity: this.#nodesForPods } } : {};
    return {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace, labels },
      spec: {
        terminationGracePeriodSeconds: 0,
        // None of them asks the API server, so that none needs a volume for a token.
        automountServiceAccountToken: false,
        tolerations: [{ operator: "Exists" }],
        ...nodes,
        ...spec,
      },
    };
  }

  /** The workers, or all nodes where there are none; a term may name only one. */
  get #nodesForPods() {
    const workers = this.#nodes.filter(({ role }) => role === "worker");
    const nodeSelectorTerms = (workers.length === 0 ? this.#nodes : workers).map(({ name }) => ({
      matchFields: [{ key: "metadata.name", operator: "In", values: [name] }],
    }));
    return { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
  }
}
