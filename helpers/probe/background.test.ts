import { execa } from "execa";
import { expect, test } from "vitest";
import { inBackground } from "./background.ts";
import type { Peer } from "./peer.ts";
import { until } from "./until.ts";

const here: Peer = {
  label: "here",
  run: async (_title, [command = "", ...words]) => {
    const { failed, exitCode, stdout, stderr, durationMs, timedOut } = await execa(command, words, {
      reject: false,
      stdin: "ignore",
    });
    return { failed, exitCode, stdout, stderr, durationMs, timedOut };
  },
};

test("a command runs on, tells what it printed on both streams, and ends when it is told to", async () => {
  const script = "echo begun; echo aside >&2; while :; do sleep 0.05; done";
  const command = await inBackground(here, "a loop", ["sh", "-c", script]);
  const printed = await until(
    "its output",
    5_000,
    () => command.output(),
    (text) => text.includes("aside"),
  );
  expect(printed).toContain("begun");
  await command.stop();
  // Once more: it has ended already.
  await command.stop();
});

test("words reach the command as they are, whatever is in them", async () => {
  const command = await inBackground(here, "an echo", ["printf", "%s|%s", "a 'b' $HOME", "c\nd"]);
  const printed = await until(
    "its output",
    5_000,
    () => command.output(),
    (text) => text.includes("d"),
  );
  expect(printed).toBe("a 'b' $HOME|c\nd");
});
