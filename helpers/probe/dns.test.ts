import { expect, test } from "vitest";
import type { CommandResult } from "../host/command.ts";
import { lookUp } from "./dns.ts";
import type { Peer } from "./peer.ts";

const ended = (exitCode: number, stdout = "", stderr = ""): CommandResult => ({
  failed: exitCode !== 0,
  exitCode,
  stdout,
  stderr,
  durationMs: 1,
  timedOut: false,
});
/** dig as it ended once, on a pod of a cluster. */
const recorded = (result: CommandResult): Peer => ({ label: "client-1 (10.244.1.2)", run: async () => result });

const answer = (status: string, records: string) => `-
  type: MESSAGE
  message:
    type: RECURSIVE_RESPONSE
    response_address: "10.96.0.10"
    response_port: 53
    response_message_data:
      opcode: QUERY
      status: ${status}
      id: 53412
      flags: qr aa rd
      QUESTION_SECTION:
        - database.cast.svc.cluster.local. IN CNAME
${records}`;

test("records are read as dig prints them", async () => {
  const section =
    "      ANSWER_SECTION:\n        - database.cast.svc.cluster.local. 30 IN CNAME my.database.example.com.\n";
  const found = await lookUp(
    recorded(ended(0, answer("NOERROR", section))),
    "database.cast.svc.cluster.local",
    "CNAME",
  );
  expect(found).toMatchObject({
    status: "NOERROR",
    records: [{ name: "database.cast.svc.cluster.local.", type: "CNAME", data: "my.database.example.com." }],
  });
});

test("an answer without records keeps its status", async () => {
  expect(await lookUp(recorded(ended(0, answer("NXDOMAIN", ""))), "nobody", "A")).toMatchObject({
    status: "NXDOMAIN",
    records: [],
  });
});

test("dig asks for exactly that name by UDP, unless it is told otherwise", async () => {
  const asked: (readonly string[])[] = [];
  const peer: Peer = {
    label: "client-1",
    run: async (_, command) => {
      asked.push(command.slice(4));
      return ended(0, answer("NXDOMAIN", ""));
    },
  };
  await lookUp(peer, "web", "A");
  await lookUp(peer, "web", "A", { over: "tcp", search: true });
  expect(asked).toEqual([
    ["+nosearch", "web", "A"],
    ["+tcp", "+search", "web", "A"],
  ]);
});

test("neither a server that does not answer nor a dig that does not run says anything of the name", async () => {
  await expect(lookUp(recorded(ended(9)), "web", "A")).rejects.toThrow(
    "no name server answered client-1 (10.244.1.2) about A web, asked 3 times, 5 s each",
  );
  await expect(lookUp(recorded(ended(127, "", "dig: not found")), "web", "A")).rejects.toThrow(
    "ended with 127: dig: not found",
  );
  await expect(lookUp(recorded(ended(0, "nothing")), "web", "A")).rejects.toThrow("no answer that can be read");
});
