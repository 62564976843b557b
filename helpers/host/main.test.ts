import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";

const here = (file: string) => JSON.stringify(join(import.meta.dirname, file));

/** Runs a command whose output nobody reads beyond its first line, and returns how it ended. */
async function unread(body: string, both = "") {
  const script = `
    import { interruption } from ${here("errors.ts")};
    import { main } from ${here("main.ts")};
    const endless = async (go) => {
      for (let line = 1; go(); line += 1) {
        process.stdout.write(\`line \${line}\\n\`);
        await new Promise((next) => setTimeout(next, 5));
      }
    };
    await main(async () => { ${body} });`;
  const words = [process.execPath, "--input-type=module-typescript", "--eval", script];
  const pipe = `set -o pipefail; "$@" ${both} | head -n 1`;
  return execa("bash", ["-c", pipe, "-", ...words], { reject: false, timeout: 20_000 });
}

test("a command whose output is not read on ends as by SIGPIPE, without a word", async () => {
  expect(await unread("await endless(() => true); return 0;")).toMatchObject({
    exitCode: 141,
    stdout: "line 1",
    stderr: "",
  });
});

test("one with something to clean up does that first", async () => {
  const body = `
    const signal = interruption((line) => process.stderr.write(line + "\\n"));
    await endless(() => !signal.aborted);
    await endless(() => false);
    process.stderr.write("cleaned up\\n");
    throw signal.reason;`;
  expect(await unread(body)).toMatchObject({
    exitCode: 141,
    stdout: "line 1",
    stderr: "interrupted by SIGPIPE: cleaning up\ncleaned up",
  });
});

test("one that tells on its output that it is cleaning up ends all the same", async () => {
  const body = `
    const signal = interruption((line) => process.stdout.write(line + "\\n"));
    await endless(() => !signal.aborted);
    throw signal.reason;`;
  expect(await unread(body)).toMatchObject({ exitCode: 141, stdout: "line 1", stderr: "" });
});

test("one of which neither the output nor the progress is read ends, too", async () => {
  const body = `
    const signal = interruption((line) => process.stderr.write(line + "\\n"));
    await endless(() => !signal.aborted);
    throw signal.reason;`;
  expect(await unread(body, "2>&1")).toMatchObject({ exitCode: 141, stdout: "line 1" });
});

test("a folder that may not be written to is told in a line", async () => {
  const script = `import { main } from ${here("main.ts")}; 
    await main(async () => { throw Object.assign(new Error("EACCES: permission denied, mkdir '/x'"), { code: "EACCES", path: "/x" }); });`;
  const words = ["--input-type=module-typescript", "--eval", script];
  const { exitCode, stderr } = await execa(process.execPath, words, { reject: false });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 2,
    stderr:
      "error: EACCES: permission denied, mkdir '/x' – let this user write there, or set KNC_OUT and KNC_CACHE to folders of its own",
  });
});
