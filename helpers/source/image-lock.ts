import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../host/errors.ts";

const file = new URL("../../fixtures/images/images.lock.yaml", import.meta.url);

/** A reference by digest, as it can be pulled. */
export const digestedReference: z.ZodString = z
  .string()
  .regex(/^[\w.:/-]+:[\w.-]+@sha256:[0-9a-f]{64}$/, "must be name:tag@sha256:digest");
const local = z.string().regex(/^localhost\/[a-z/-]+$/, "must begin with localhost/");

const ImageLock = z.strictObject({
  kind: z.strictObject({ version: z.string(), sha256: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)) }),
  node: z.strictObject({ kubernetes: z.string(), published: digestedReference.optional(), built: local }),
  workloads: z.record(
    z.string(),
    z.strictObject({ for: z.string(), published: digestedReference.optional(), built: local }),
  ),
});
/** The images that the suite uses; see fixtures/images/images.lock.yaml. */
export type ImageLock = z.infer<typeof ImageLock>;

/** Returns the image lock: the project's own, or the given file. @throws UserError with one line where it is not valid */
export function readImageLock(path: URL | string = file): ImageLock {
  const name = path instanceof URL ? "fixtures/images/images.lock.yaml" : path;
  let content: unknown;
  try {
    content = parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UserError(`${name}: ${(error as Error).message.split("\n")[0]}`, "correct the image lock file");
  }
  const parsed = ImageLock.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UserError(`${name}: ${issue?.path.join(".")}: ${issue?.message}`, "correct the image lock file");
}

/** Returns a reference by digest split into what a container runtime needs: `name:tag` and the digest. */
export function splitReference(reference: string): { tagged: string; digest: string } {
  const [tagged = "", digest = ""] = reference.split("@");
  return { tagged, digest };
}
