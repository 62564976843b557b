import { join, relative } from "node:path";
import {
  isArrowFunction,
  isBlock,
  isClassDeclaration,
  isConstructorDeclaration,
  isExportDeclaration,
  isFunctionDeclaration,
  isFunctionTypeNode,
  isGetAccessorDeclaration,
  isIdentifier,
  isInterfaceDeclaration,
  isMethodDeclaration,
  isMethodSignatureDeclaration,
  isNamedExports,
  isObjectLiteralExpression,
  isPrivateIdentifier,
  isPropertyAssignment,
  isPropertyDeclaration,
  isPropertySignatureDeclaration,
  isReturnStatement,
  isTypeAliasDeclaration,
  isTypeParameterDeclaration,
  isTypeReferenceNode,
  isVariableDeclaration,
  type Node,
  type ParameterDeclaration,
  type SignatureDeclaration,
} from "typescript/unstable/ast";
import {
  API,
  type Checker,
  type Symbol as Named,
  NodeBuilderFlags,
  type Project,
  SymbolFlags,
} from "typescript/unstable/sync";
import { projectRoot } from "../../helpers/host/settings.ts";

/** What has a name on the page: how it is written in code, what its comment says, and what it has. */
interface Entry {
  readonly name: string;
  readonly code: string;
  readonly comment: string;
  readonly members: readonly Entry[];
}

/** Exports that belong together, as `helpers/index.ts` has them. */
export interface Group {
  readonly title: string;
  readonly entries: readonly Entry[];
}

/** The group of types that have no name to import. */
const unexported = "Types that these mention";

const entrance = join(projectRoot, "helpers", "index.ts");

/** Returns the page of all that specs may import as Markdown: its words are the doc comments. */
export function apiAsMarkdown(groups: readonly Group[]): string {
  const names = groups.flatMap(({ entries }) => entries.map(({ name }) => name));
  return `${[
    "# What a spec can use",
    'Written by `npm run api` from the doc comments of what the package exports: `import { meet, … } from "kind-network-conformance"`.',
    `What is under *${unexported}* has no name to import. \`V1Pod\` and the like are Kubernetes' own objects, as typed by @kubernetes/client-node.`,
    ...groups.map(
      ({ title, entries }) => `**${title}**: ${entries.map(({ name }) => linkTo(name, names)).join(" · ")}`,
    ),
    ...groups.flatMap(({ title, entries }) => [`## ${title}`, ...entries.flatMap(sectionOf)]),
  ].join("\n\n")}\n`;
}

/** Two headings that differ in case only have one anchor on GitHub; the second one gets a number. */
function linkTo(name: string, names: readonly string[]): string {
  const alike = names.slice(0, names.indexOf(name)).filter((other) => other.toLowerCase() === name.toLowerCase());
  return `[${name}](#${name.toLowerCase()}${alike.length === 0 ? "" : `-${alike.length}`})`;
}

function sectionOf({ name, code, comment, members }: Entry): string[] {
  const line = ({ code, comment }: Entry) =>
    `| ${[`\`${code}\``, comment].map((cell) => cell.replaceAll(/\s+/g, " ").replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  return [
    `### ${name}`,
    ...(code === "" ? [] : [`\`\`\`ts\n${code}\n\`\`\``]),
    ...(comment === "" ? [] : [comment]),
    ...(members.length === 0 ? [] : [["| | |", "| --- | --- |", ...members.map(line)].join("\n")]),
  ];
}

/** Returns what `helpers/index.ts` exports, in its groups, and at last the types that it mentions and does not export. */
export function readApi(): Group[] {
  const api = new API({ cwd: projectRoot });
  try {
    const config = join(projectRoot, "tsconfig.json");
    using snapshot = api.updateSnapshot({ openProject: config });
    const project = snapshot.getProject(config);
    if (project === undefined) throw new Error(`${config} could not be read`);
    return new Reader(project).groups();
  } finally {
    api.close();
  }
}

/** Reads the comments and types of what is exported. */
class Reader {
  readonly #project: Project;
  /** Types of the project that what was read names, by their names. */
  readonly #mentioned = new Map<string, Node>();

  constructor(project: Project) {
    this.#project = project;
  }

  get #checker(): Checker {
    return this.#project.checker;
  }

  groups(): Group[] {
    const source = this.#project.program.getSourceFile(entrance);
    const groups: { title: string; entries: Entry[] }[] = [];
    for (const statement of source?.statements ?? []) {
      const title = /^\/\/ Group: (.*)$/m.exec(statement.getFullText())?.[1];
      if (title !== undefined) groups.push({ title, entries: [] });
      if (
        isExportDeclaration(statement) &&
        statement.exportClause !== undefined &&
        isNamedExports(statement.exportClause)
      )
        for (const { name } of statement.exportClause.elements)
          groups.at(-1)?.entries.push(this.#entry(name.getText(), name, commentOf(statement)));
    }
    const exported = new Set(groups.flatMap(({ entries }) => entries.map(({ name }) => name)));
    const others: Entry[] = [];
    // What is read mentions further ones; a map has these, too, while it is gone through.
    for (const [name, place] of this.#mentioned) if (!exported.has(name)) others.push(this.#entry(name, place, ""));
    return [...groups, { title: unexported, entries: others.toSorted((a, b) => (a.name < b.name ? -1 : 1)) }];
  }

  /** @param otherwise comment of what has none itself */
  #entry(name: string, place: Node, otherwise: string): Entry {
    const named = this.#checker.getSymbolAtLocation(place);
    const target = named === undefined ? undefined : this.#target(named);
    const nodes = target?.declarations.flatMap((declared) => declared.resolve(this.#project) ?? []) ?? [];
    // A schema of zod's has the name of its type.
    const node = nodes.find(isTypeAliasDeclaration) ?? nodes[0];
    if (node === undefined) throw new Error(`${name} is declared nowhere`);
    const comment = nodes.map(commentOf).find((text) => text !== "") ?? otherwise;
    return { name, comment, ...this.#shapeOf(name, node) };
  }

  /** Returns a type as it is written, and keeps which types of the project it mentions. */
  #written(type: Node): string {
    const visit = (node: Node): void => {
      if (isTypeReferenceNode(node)) {
        const named = this.#checker.getSymbolAtLocation(node.typeName);
        const [declared] = (named === undefined ? undefined : this.#target(named))?.declarations ?? [];
        const found = declared?.resolve(this.#project);
        if (found !== undefined && isOurs(found) && !isTypeParameterDeclaration(found))
          this.#mentioned.set(node.typeName.getText(), node.typeName);
      }
      node.forEachChild(visit);
    };
    visit(type);
    return inOneLine(type.getText());
  }

  #target(named: Named): Named {
    return (named.flags & SymbolFlags.Alias) === 0 ? named : this.#checker.getAliasedSymbol(named);
  }

  #shapeOf(name: string, node: Node): Pick<Entry, "code" | "members"> {
    if (!isOurs(node)) return { code: "", members: [] };
    if (isFunctionDeclaration(node)) return { code: this.#call(name, node), members: this.#returned(node) };
    if (isVariableDeclaration(node) && node.initializer !== undefined) {
      const { type, initializer } = node;
      if (isObjectLiteralExpression(initializer))
        return { code: "", members: this.#literalMembers(initializer, `${name}.`) };
      if (type !== undefined && isFunctionTypeNode(type)) return { code: this.#call(name, type), members: [] };
      if (isArrowFunction(initializer)) return { code: this.#call(name, initializer), members: [] };
    }
    if (isClassDeclaration(node) || isInterfaceDeclaration(node)) {
      const bases = (node.heritageClauses ?? [])
        .map((clause) => inOneLine(clause.getText()))
        .filter((base) => !base.includes("z.infer"));
      const kind = isClassDeclaration(node) ? "class" : "interface";
      const more = [typeParametersOf(node), ...bases].join(" ").trimEnd();
      return {
        code: more === "" ? "" : `${kind} ${name}${more}`,
        members: node.members.flatMap((member) => this.#member(member)),
      };
    }
    if (isTypeAliasDeclaration(node)) {
      if (!node.type.getText().startsWith("z.infer"))
        return { code: `type ${name}${typeParametersOf(node)} = ${this.#written(node.type)}`, members: [] };
      return { code: "", members: this.#inferred(node.name) };
    }
    throw new Error(`${name} is of a kind that the page does not know`);
  }

  /** What a class or an interface has for others. */
  #member(node: Node): Entry[] {
    if (isConstructorDeclaration(node)) return [];
    if (isMethodDeclaration(node) || isMethodSignatureDeclaration(node)) {
      if (isPrivateIdentifier(node.name)) return [];
      const name = node.name.getText();
      return [{ name, code: this.#call(name, node), comment: commentOf(node), members: [] }];
    }
    if (isPropertyDeclaration(node) || isPropertySignatureDeclaration(node) || isGetAccessorDeclaration(node)) {
      const name = node.name.getText();
      if (isPrivateIdentifier(node.name) || /^override\b/m.test(node.getText())) return [];
      const optional = "postfixToken" in node && node.postfixToken !== undefined ? "?" : "";
      const code = `${name}${optional}: ${this.#type(node.name, node.type)}`;
      return [{ name, code, comment: commentOf(node), members: [] }];
    }
    return [];
  }

  /** What an object has that is written down as a literal. */
  #literalMembers(literal: Node, before: string): Entry[] {
    if (!isObjectLiteralExpression(literal)) return [];
    return literal.properties.flatMap((property) => {
      if (!isPropertyAssignment(property) || !isArrowFunction(property.initializer)) return [];
      const name = `${before}${property.name.getText()}`;
      return [{ name, code: this.#call(name, property.initializer), comment: commentOf(property), members: [] }];
    });
  }

  /** What an object has that a function makes and returns. */
  #returned(node: Node): Entry[] {
    if (!isFunctionDeclaration(node) || node.body === undefined || !isBlock(node.body)) return [];
    const last = node.body.statements.at(-1);
    return last !== undefined && isReturnStatement(last) && last.expression !== undefined && node.type === undefined
      ? this.#literalMembers(last.expression, ".")
      : [];
  }

  /** What a type has that is inferred from a schema of zod's; the schema's descriptions are its comments. */
  #inferred(name: Node): Entry[] {
    const type = this.#checker.getTypeAtLocation(name);
    if (type === undefined) return [];
    return this.#checker.getPropertiesOfType(type).map((property) => {
      const of = this.#checker.getTypeOfSymbol(property);
      const code = `${property.name}${(property.flags & SymbolFlags.Optional) === 0 ? "" : "?"}: ${of === undefined ? "unknown" : this.#text(of)}`;
      const declared = property.declarations[0]?.resolve(this.#project);
      return {
        name: property.name,
        code,
        comment: /\.describe\(\s*"(.*)",?\s*\)$/.exec(declared?.getText() ?? "")?.[1] ?? "",
        members: [],
      };
    });
  }

  #call(name: string, node: SignatureDeclaration): string {
    const parameters = node.parameters.map((parameter) => this.#parameter(parameter));
    const signature = this.#checker.getSignatureFromDeclaration(node);
    const returned = signature === undefined ? undefined : this.#checker.getReturnTypeOfSignature(signature);
    const result =
      node.type !== undefined ? this.#written(node.type) : returned === undefined ? "" : this.#text(returned);
    // What is made there is listed below.
    return `${name}${typeParametersOf(node)}(${parameters.join(", ")})${result.startsWith("{") ? "" : `: ${result}`}`;
  }

  #parameter({ name, type, initializer, questionToken, dotDotDotToken }: ParameterDeclaration): string {
    const called = isIdentifier(name) ? name.getText() : "options";
    const optional = initializer !== undefined || questionToken !== undefined ? "?" : "";
    return `${dotDotDotToken === undefined ? "" : "..."}${called}${optional}: ${this.#type(name, type)}`;
  }

  /** A type as it is written, else as it is found. */
  #type(place: Node, written: Node | undefined): string {
    if (written !== undefined) return this.#written(written);
    const type = this.#checker.getTypeAtLocation(place);
    return type === undefined ? "unknown" : this.#text(this.#checker.getWidenedType(type) ?? type);
  }

  #text(type: Parameters<Checker["typeToString"]>[0]): string {
    return inOneLine(this.#checker.typeToString(type, undefined, NodeBuilderFlags.NoTruncation));
  }
}

function isOurs(node: Node): boolean {
  const path = relative(projectRoot, node.getSourceFile().fileName);
  return !path.startsWith("..") && !path.startsWith("node_modules");
}

function typeParametersOf(node: { readonly typeParameters?: readonly Node[] }): string {
  const { typeParameters = [] } = node;
  return typeParameters.length === 0 ? "" : `<${typeParameters.map((each) => inOneLine(each.getText())).join(", ")}>`;
}

function inOneLine(code: string): string {
  return code
    .replaceAll(/\/\*\*.*?\*\/|\breadonly (?=\w+\??:)/gs, "")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/,(?= [)}\]>])/g, "")
    .replaceAll(/(?<=[(<]) | (?=[)>])/g, "");
}

/** Returns a doc comment as Markdown: its tags are sentences. */
function commentOf(node: Node): string {
  const { jsDoc = isVariableDeclaration(node) ? node.parent.parent.jsDoc : undefined } = node;
  const text = (jsDoc?.at(-1)?.getText() ?? "")
    .replaceAll(/^[^]*?\/\*\*\s*|\s*\*\/$/g, "")
    .replaceAll(/^\s*\* ?/gm, "")
    .replaceAll(/\{@link ([\w.]+)\}/g, "`$1`");
  const [said = "", ...tags] = text
    .split(/(?:^|\s)@(?=\w)/)
    .map((part) => part.replaceAll(/\s*\n(?!- |\n)\s*/g, " ").trim());
  return [said, ...tags.map(sentenceOf)].filter(Boolean).join(" ");
}

function sentenceOf(tag: string): string {
  const [kind = "", name = "", ...rest] = tag.split(" ");
  const sentence =
    `${kind === "throws" ? "Throws " : ""}\`${name}\`${kind === "throws" ? "" : ":"} ${rest.join(" ")}`.trimEnd();
  return sentence.endsWith(".") ? sentence : `${sentence}.`;
}
