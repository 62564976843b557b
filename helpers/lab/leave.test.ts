import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { leaveCluster } from "./leave.ts";

const folder = mkdtempSync(join(tmpdir(), "leave-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A client of an engine: it has one node, and on that the script is run in the place of a command. */
function client(name: string, script: string) {
  const program = join(folder, name);
  writeFileSync(program, `#!/bin/sh\nif [ "$1" = ps ]; then echo node; else\n${script}\nfi\n`);
  chmodSync(program, 0o755);
  return { cli: "docker" as const, program, environment: {} };
}

test("an API server that is away for a moment is asked again", async () => {
  const log = join(folder, "log");
  const engine = client("away", `echo "$*" >> ${log}; test $(wc -l < ${log}) -gt 2`);
  await leaveCluster(engine, "c", 10_000);
  const asked = readFileSync(log, "utf8");
  expect(asked).toMatch(
    /^exec .* node kubectl .* delete namespaces --selector=kind-network-conformance --wait=false$/m,
  );
  expect(asked).toMatch(
    /^exec .* --namespace=default --cascade=foreground --selector=kind-network-conformance --wait=false$/m,
  );
});

test("what could not be deleted is told in kubectl's words, with what to do", async () => {
  const engine = client("refuses", "echo Warning: >&2; echo 'you may not' >&2; exit 1");
  const selected = "--selector=kind-network-conformance";
  await expect(leaveCluster(engine, "c", 200)).rejects.toMatchObject({
    message: "what the suite made is left in c: you may not",
    remedy: `kubectl delete namespaces ${selected}; kubectl delete deployments,services,pods --namespace=default ${selected}`,
  });
});
