import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { meet } from "../../helpers/probe/http.ts";
import { claim } from "./article.ts";

claim("internal-local-drops-elsewhere", {
  observe: async (lab) => {
    const spec = leadsTo({ app: "server" });
    const service = await lab.services.create("not-on-this-node", { ...spec, internalTrafficPolicy: "Local" });
    const beside = await lab.services.create("not-on-this-node-beside", spec);
    const client = lab.pod("host-cp");
    return {
      // Made later: a node that knows it knows the other, too.
      beside: await whoAnswers(lab, client, beside.on(80)),
      // Before the node knows of the pods elsewhere, it refuses.
      end: await lab.eventually(
        () => meet(client, service.on(80), lab.timeouts.silence),
        ({ outcome }) => outcome !== "refused",
      ),
    };
  },
  judge: ({ beside, end }) => {
    positiveControl(answered(beside), "the client is answered by a Service without that policy");
    expect(end.outcome, `how http://${end.to} ends, asked from ${end.from}`).toBe("silent");
  },
  control: live("the Service does without its policy", (lab) =>
    mutate.service(lab, "not-on-this-node", patch.replace("/spec/internalTrafficPolicy", "Cluster")),
  ),
});
