import type { Judged } from "../samples.judged.ts";

export const written = (stored: unknown) => ({ code: 200, message: "", stored, readAgain: stored });
export const annotatedWith = (name: string) => ({ metadata: { annotations: { [name]: "true" } } });
export const operated = {
  created: [201, 201, 201],
  read: { code: 200, same: true },
  listed: [["operated", "operated-too"]],
  patched: written(annotatedWith("patched")),
  changed: written({ metadata: { labels: { changed: "yes" } } }),
  updated: written(annotatedWith("updated")),
  status: null,
  versions: [1, 2, 3, 4],
  deleted: { code: 200, there: false, left: ["operated-too"] },
  collected: { code: 200, message: "", left: [], beside: 200 },
  watched: [["ADDED", "MODIFIED patched", "MODIFIED changed", "MODIFIED updated", "DELETED", "DELETED operated-too"]],
};
export const found = (otherwise: object) => ({ discovered: true, found: { ...operated, ...otherwise } });
export const asked = {
  asked: "10.96.0.9",
  code: 422,
  message: "provided IP is already allocated",
  given: null,
  any: "10.96.3.7",
};

/** What of the checks of operations.ts and asks-for-address.ts is judged; the other checks' are in the test of all. */
export const judgedOfOperations: readonly Judged[] = [
  {
    check: "api-operations",
    holds: found({}),
    refuted: [
      [
        { discovered: false, found: null },
        "the API server tells of IngressClass in networking.k8s.io/v1: false, not true",
      ],
      [found({ created: [201, 422, 201] }), "HTTP statuses of creating 3 of IngressClass: "],
      [found({ read: { code: 200, same: false } }), "operated, read, is the one that was created: "],
      [found({ listed: [["operated", "operated-too"], []] }), "those with the label, in a list: none, not "],
      [
        found({ updated: { code: 422, message: "no", stored: null } }),
        "the HTTP status of updating operated: 422 no: 422,",
      ],
      [
        found({ changed: written({ metadata: { labels: { changed: null } } }) }),
        "what the answer has of it, changing operated",
      ],
      [found({ versions: [1, 2, 2, 3] }), "each write makes the resourceVersion greater: 1, 2, 2, 3: false, not true"],
      [
        found({ deleted: { ...operated.deleted, there: true } }),
        "operated is there once it was deleted: true, not false",
      ],
      [
        found({ collected: { ...operated.collected, left: ["operated-too"] } }),
        "those with the label once all were deleted: ",
      ],
      [
        found({ collected: { ...operated.collected, beside: 404 } }),
        "the HTTP status of reading operated-not then: 404,",
      ],
      [found({ watched: [["ADDED", "DELETED"]] }), "what a watch told of operated"],
    ],
    inconclusive: [],
  },
  {
    check: "service-asks-for-address",
    holds: asked,
    refuted: [
      [{ ...asked, code: 201 }, "the HTTP status for a Service that asks for 10.96.0.9, which is taken: 201, not 422"],
      [
        { ...asked, message: "not in range" },
        "the reason for refusing it: 'not in range', without 'already allocated'",
      ],
    ],
    inconclusive: [{ ...asked, any: "" }],
  },
];
