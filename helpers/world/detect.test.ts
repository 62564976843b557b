import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { detectWorld, forwardedTo, type Given, kernelFeatures, takesPods } from "./detect.ts";

const folder = mkdtempSync(join(tmpdir(), "detect-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("without nft nothing tells whether the kernel has NFT_QUEUE, and that is no end of the run", async () => {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  for (const program of ["sh", "test", "unshare"]) symlinkSync(`/usr/bin/${program}`, join(bin, program));
  const works = async (script: string) =>
    !(await execa("/bin/sh", ["-c", script], { env: { PATH: [bin, ""].join(delimiter) }, reject: false })).failed;
  expect(await kernelFeatures(works)).toMatchObject({ networkQueue: undefined });
});

test("a node that cannot be asked is told in a line", async () => {
  const gone = {
    run: () =>
      execa("sh", ["-c", "echo 'Error response from daemon: container abc is not running' >&2; exit 1"], {
        reject: false,
      }),
  };
  const found = detectWorld(gone, "c-control-plane", {} as Given, () => Promise.resolve(true));
  await expect(found).rejects.toThrow(UserError);
  await expect(found).rejects.toThrow(
    /failed on c-control-plane: Error response from daemon: container abc is not running$/,
  );
});

/** As kubeadm writes it, but for whom it forwards to; a block for a domain of its own may stand on either side. */
const corefile = (forwards: string) => `consul.local:53 {
    forward . 10.150.0.1
}
.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       ttl 30
    }
    ${forwards}
    cache 30
}
`;

test.each([
  ["forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }", "/etc/resolv.conf"],
  ["forward . 192.0.2.53", "192.0.2.53"],
  ["forward . tls://9.9.9.9 8.8.8.8 # elsewhere", "tls://9.9.9.9 8.8.8.8"],
])("%j: the cluster's DNS asks %s", (forwards, expected) => {
  expect(forwardedTo(corefile(forwards))).toBe(expected);
});

test("a cluster without CoreDNS, as kubeadm configures it, tells nothing else", () => {
  expect(forwardedTo("")).toBe("/etc/resolv.conf");
});

test.each([
  ["no taint", false, [], true],
  ["one that only asks", false, [{ key: "example.com/quiet", effect: "PreferNoSchedule" }], true],
  [
    "one that tells that it is not ready yet",
    false,
    [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }],
    true,
  ],
  ["the control plane's", false, [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }], false],
  ["a cordon", true, [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }], false],
])("a node with %s", (_name, unschedulable, taints, expected) => {
  expect(takesPods({ unschedulable, taints })).toBe(expected);
});
