import { parseArgs } from "node:util";
import { readCatalogue } from "../helpers/article/catalogue.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";

/** The catalogue, without a cluster: in the article's order, or as JSON. */
await main(async () => {
  const { json } = options();
  const catalogue = readCatalogue();
  if (json === true) {
    process.stdout.write(`${JSON.stringify(catalogue, undefined, 2)}\n`);
    return 0;
  }
  for (const section of catalogue.sections) {
    process.stdout.write(`\n${section.zh} · ${section.en}\n`);
    for (const claim of catalogue.claims.filter((candidate) => candidate.section === section.id)) {
      const verdicts =
        claim.expect === undefined ? "excluded" : [...new Set(claim.expect.map(({ verdict }) => verdict))].join("/");
      process.stdout.write(
        `  ${String(claim.ref).padStart(3)}  ${verdicts.padEnd(8)}  ${claim.id}\n                 ${claim.en}\n`,
      );
    }
  }
  return 0;
});

function options(): { json?: boolean | undefined } {
  try {
    return parseArgs({ options: { json: { type: "boolean" } }, allowPositionals: false }).values;
  } catch (error) {
    throw new UserError((error as Error).message.split("\n")[0] ?? "", "npm run claims [-- --json]");
  }
}
