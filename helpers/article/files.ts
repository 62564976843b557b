import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "yaml";
import type { z } from "zod";
import { UserError } from "../host/errors.ts";

/** Returns the error that says what is wrong in a file of an article's folder. */
export function wrongIn(folder: string, file: string, what: string): UserError {
  return new UserError(`${join(basename(folder), file)}: ${what}`, `correct it in ${folder}`);
}

/** Returns a file of an article's folder. @throws UserError if it cannot be read */
export function read(folder: string, file: string): string {
  try {
    return readFileSync(join(folder, file), "utf8");
  } catch (error) {
    throw wrongIn(folder, file, `cannot be read: ${(error as Error).message}`);
  }
}

/** Returns a YAML file of an article's folder, checked. @throws UserError with one line for the first thing that is wrong */
export function parsed<Schema extends z.ZodType>(schema: Schema, folder: string, file: string): z.infer<Schema> {
  const raw = parseYaml(folder, file);
  const result = schema.safeParse(raw);
  if (!result.success) throw wrongIn(folder, file, firstIssue(result.error, raw));
  return result.data;
}

function parseYaml(folder: string, file: string): unknown {
  const text = read(folder, file);
  try {
    return parse(text);
  } catch (error) {
    throw wrongIn(folder, file, (error as Error).message.split("\n")[0] ?? "is no YAML");
  }
}

/** Returns the first thing that is wrong; in a list of claims, by the claim's id. */
function firstIssue(error: z.ZodError, raw: unknown): string {
  const issue = error.issues[0];
  if (issue === undefined) return "is not valid";
  const [index] = issue.path;
  const id = Array.isArray(raw) && typeof index === "number" ? (raw as { id?: string }[])[index]?.id : undefined;
  const place = id === undefined ? issue.path.join(".") : `claim ${id}: ${issue.path.slice(1).join(".")}`;
  return `${place}${place.endsWith(": ") || place === "" ? "" : ": "}${issue.message}`;
}
