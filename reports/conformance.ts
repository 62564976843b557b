import { z } from "zod";

/** Where an article's folder has the last comparison with Kubernetes' own conformance tests. */
export const comparisonFile = "recordings/conformance-run.json";

/** An article's claims and Kubernetes' own conformance tests of the network, on one cluster in one run. */
export const Comparison = z.strictObject({
  date: z.iso.date(),
  kubernetes: z.string(),
  claims: z.strictObject({ judged: z.int(), unexpected: z.array(z.string()), seconds: z.number() }),
  tests: z.strictObject({
    run: z.int(),
    failed: z.array(z.strictObject({ name: z.string(), why: z.string() })),
    seconds: z.number(),
    images: z.enum(["published", "built"]),
  }),
});
export type Comparison = z.infer<typeof Comparison>;
