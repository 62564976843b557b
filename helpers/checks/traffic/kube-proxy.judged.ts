import type { Judged } from "../samples.judged.ts";

const healthy = { node: "worker", status: 200, body: "" };
const inMode = { node: "worker", status: 200, body: "iptables" };
export const takes = { asked: 0, said: "", taken: 0, refused: 1 };

/** What of the checks of kube-proxy.ts is judged. */
export const judgedOfKubeProxy: readonly Judged[] = [
  {
    check: "every-node-answers",
    holds: [healthy],
    refuted: [
      [
        [healthy, { node: "other", status: 0, body: "" }],
        "the HTTP status of http://localhost:10256/healthz on other: 0, not 200",
      ],
    ],
    inconclusive: [[]],
  },
  {
    check: "kube-proxy-runs-in",
    holds: [inMode],
    refuted: [[[{ ...inMode, body: "nftables" }], "the mode of kube-proxy on worker: 'nftables', not 'iptables'"]],
    inconclusive: [[{ ...inMode, status: 0, body: "" }]],
  },
  {
    check: "kube-proxy-takes",
    holds: takes,
    refuted: [
      [{ ...takes, asked: 1, said: "invalid" }, "exit code 1, it says: invalid: false, not true"],
      [{ ...takes, asked: null }, "kube-proxy --proxy-mode=nftables is taken; exit code null"],
    ],
    inconclusive: [
      { ...takes, taken: 1 },
      { ...takes, refused: 0 },
      { ...takes, refused: null },
    ],
  },
];
