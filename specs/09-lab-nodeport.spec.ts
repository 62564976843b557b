import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { hostPort } from "../helpers/probe/http.ts";

claim("nodeport-on-localhost-of-the-host", {
  observe: async (lab) => ({
    onTheNode: await lab.fromHost(`http://${hostPort(lab.controlPlane.addresses[0] ?? "", 30_080)}/hostname`),
    onLocalhost: await lab.fromHost("http://localhost:30080/hostname"),
  }),
  judge: ({ onTheNode, onLocalhost }) => {
    positiveControl(onTheNode.outcome === "answered", "the host is answered at the node's own address and port 30080");
    expect(onLocalhost.outcome, "http://localhost:30080, asked on the host").toBe("answered");
  },
});
