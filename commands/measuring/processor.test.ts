import { execa } from "execa";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../helpers/probe/until.ts";
import { ProcessorSampler } from "./processor.ts";

test("the time of a process belongs to the command that started it, and stays when it is over", async () => {
  const command = execa("sh", ["-c", `${process.execPath} -e 'for (;;);' & wait`], { reject: false, detached: true });
  const { pid = 0 } = command;
  onTestFinished(() => void command.kill("SIGKILL"));
  const others = new ProcessorSampler(-1);
  const sampler = new ProcessorSampler(pid);
  others.sample();
  const used = await until(
    "its time to be counted",
    30_000,
    async () => sampler.sample(),
    ({ suite }) => suite >= 0.2,
  );
  expect(others.sample().suite).toBe(0);
  process.kill(-pid, "SIGKILL");
  await command;
  expect(sampler.sample().suite).toBeGreaterThanOrEqual(used.suite);
});
