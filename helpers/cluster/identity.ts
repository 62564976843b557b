import { KubernetesApi } from "../probe/api.ts";

/** A program, so that it can be run where the engine's network is: prints what tells the cluster of a kubeconfig from all others. */
try {
  using api = new KubernetesApi(process.argv[2] ?? "");
  const namespace = await api.get<{ metadata: { uid: string } }>("/api/v1/namespaces/kube-system");
  process.stdout.write(namespace.metadata.uid);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
