import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main } from "../helpers/host/main.ts";
import { projectRoot } from "../helpers/host/settings.ts";
import { picture, roomsAsMermaid } from "./own-docs/rooms-picture.ts";

/** Draws the project's rooms into CONTRIBUTING.md. */
await main(async () => {
  const file = join(projectRoot, "CONTRIBUTING.md");
  writeFileSync(file, readFileSync(file, "utf8").replace(picture, `$1${roomsAsMermaid()}$2`));
  return 0;
});
