import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { projectRoot } from "../../helpers/host/settings.ts";
import { picture, roomsAsMermaid } from "./rooms-picture.ts";

test("CONTRIBUTING has the picture of the rooms as they are; npm run rooms draws it anew", () => {
  const text = readFileSync(join(projectRoot, "CONTRIBUTING.md"), "utf8");
  expect(text).toBe(text.replace(picture, `$1${roomsAsMermaid()}$2`));
  expect(text).toMatch(picture);
});
