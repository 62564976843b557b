// Plain JavaScript, so that a Node too old for TypeScript can still say what is wrong.
const [major = 0] = process.versions.node.split(".").map(Number);
if (major < 24) {
  process.stderr.write(
    `error: Node ${process.versions.node} is too old – run by way of npm after \`npm ci\`, which brings Node 24, or install Node 24\n`,
  );
  process.exitCode = 2;
} else {
  const [command, ...words] = process.argv.slice(2);
  // Of every command: a setting, as the others in KNC_ variables.
  const at = words.findIndex((word) => word === "--article" || word.startsWith("--article="));
  if (at !== -1) {
    const [option = "", next = ""] = words.splice(at, words[at] === "--article" ? 2 : 1);
    process.env.KNC_ARTICLE = option === "--article" ? next : option.slice("--article=".length);
  }
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...words);
  await import(`./${command}.ts`);
}
