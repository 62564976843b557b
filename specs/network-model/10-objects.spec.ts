import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { webPorts } from "../../helpers/lab/objects.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { live } from "../../helpers/lab/spec.ts";
import { claim } from "./article.ts";

claim("services-are-listed-over-all-namespaces", {
  observe: async (lab) => {
    const labels = { listed: "everywhere" };
    for (const [name, namespace] of [
      ["listed-here", lab.namespace],
      ["listed-there", lab.otherNamespace],
    ] as const) {
      const { metadata, ...service } = lab.objects.service(name, { ports: webPorts }, namespace);
      await lab.services.createFrom(`a Service in ${namespace}`, { ...service, metadata: { ...metadata, labels } });
    }
    const names = (services: readonly { metadata?: { name?: string; namespace?: string } }[]) =>
      services.map((service) => `${service.metadata?.namespace}/${nameOf(service)}`).toSorted();
    return {
      made: [`${lab.namespace}/listed-here`, `${lab.otherNamespace}/listed-there`].toSorted(),
      here: names(await lab.api.list("in one namespace", "Service", { namespace: lab.namespace, labels })),
      all: names(await lab.api.list("all Services", "Service")),
      labelled: names(await lab.api.list("all with the label", "Service", { labels })),
    };
  },
  judge: ({ made, here, all, labelled }) => {
    positiveControl(here.length === 1, "a list of one namespace has the one Service there that has the label");
    for (const name of ["default/kubernetes", ...made]) expect(all, "Services of all namespaces").toContain(name);
    expect(labelled, "Services of all namespaces that have the label").toEqual(made);
  },
  control: live("the API server stores the Service of one namespace without its label", (lab) =>
    mutate.service(lab, "listed-there", patch.remove("/metadata/labels")),
  ),
});
