import { expect } from "vitest";
import { storeOtherwise } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { live } from "../../helpers/lab/spec.ts";
import { iptablesNaming } from "../../helpers/probe/rules.ts";
import { claim } from "./article.ts";
import { labService, lane } from "./lab-changes.ts";
import { shownElsewhere } from "./rules-elsewhere.ts";
import { articleNamespace, walk } from "./walkthrough.ts";

claim("rules-of-a-clusterip-service", {
  slow: true,
  observe: (lab) => walk(lab, "read the rules"),
  judge: (nodes) => {
    positiveControl(nodes.length > 0, "the grep was typed");
    for (const { node, lines } of nodes)
      expect(
        iptablesNaming(lines.join("\n"), `${articleNamespace}/web-clusterip`).length,
        `rules of ${node} for the Service: a series is more than one`,
      ).toBeGreaterThan(1);
  },
  corrected: (nodes, words) => {
    positiveControl(nodes.length > 0, "the grep was typed");
    for (const { elsewhere } of nodes) {
      shownElsewhere(elsewhere);
      expect(`${elsewhere?.command} shows`, "where they were found").toBe(/^.* shows\b/.exec(words)?.[0]);
    }
  },
  // Then there is one rule, which refuses.
  control: live(
    "the Service selects a label that no pod has",
    (lab) => storeOtherwise(lab, labService("web-clusterip"), patch.add("/spec/selector", { app: "nobody" })),
    { lane },
  ),
});
