import { expect, test } from "vitest";
import { listPath } from "./cluster-api.ts";

test("where the API has what is selected", () => {
  expect([
    listPath("Pod", {}),
    listPath("Pod", { namespace: "n", labels: { app: "web", "k8s-app": "" } }),
    listPath("EndpointSlice", { namespace: "n", labels: { "kubernetes.io/service-name": "web" } }),
    listPath("Event", { namespace: "n", fields: { "involvedObject.uid": "1" } }),
  ]).toEqual([
    "/api/v1/pods",
    "/api/v1/namespaces/n/pods?labelSelector=app%3Dweb,k8s-app",
    "/apis/discovery.k8s.io/v1/namespaces/n/endpointslices?labelSelector=kubernetes.io/service-name%3Dweb",
    "/api/v1/namespaces/n/events?fieldSelector=involvedObject.uid%3D1",
  ]);
});
