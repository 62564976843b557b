import { expect } from "vitest";
import { forbidProxy } from "../../helpers/changes/admission.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { type Method, refusalOf } from "../../helpers/probe/api.ts";
import { request } from "../../helpers/probe/http.ts";
import { claim } from "./article.ts";

const page = (path: string) => `<a href="${path}/rewriteme">test</a>`;

/** What the server says on its ports: a page with a link, a word, or how it was asked. */
const ports = [
  { port: 80, says: page("") },
  { port: 1080, says: page("") },
  { port: 160, name: "dest1", says: "foo" },
  { port: 162, name: "dest2", says: "bar" },
  { port: 443, tls: true, says: page("") },
  { port: 460, name: "tlsdest1", tls: true, says: "tls baz" },
  { port: 462, name: "tlsdest2", tls: true, says: "tls qux" },
  { port: 8088, says: '{"method":"$request_method","path":"$request_uri"}' },
] as const;

const servicePorts = [
  { name: "portname1", port: 80, targetPort: "dest1" },
  { name: "portname2", port: 81, targetPort: 162 },
  { name: "tlsportname1", port: 443, targetPort: "tlsdest1" },
  { name: "tlsportname2", port: 444, targetPort: 462 },
];

/** Where the API server is asked, below the namespace, and what is answered there; `page`: a page whose link leads there. */
const places: readonly { at: string; says: string }[] = [
  { at: "services/proxied:portname1", says: "foo" },
  { at: "services/http:proxied:portname1", says: "foo" },
  { at: "services/proxied:portname2", says: "bar" },
  { at: "services/http:proxied:portname2", says: "bar" },
  { at: "services/https:proxied:tlsportname1", says: "tls baz" },
  { at: "services/https:proxied:tlsportname2", says: "tls qux" },
  { at: "pods/proxied", says: "page" },
  { at: "pods/proxied:1080", says: "page" },
  { at: "pods/http:proxied:1080", says: "page" },
  { at: "pods/proxied:160", says: "foo" },
  { at: "pods/http:proxied:160", says: "foo" },
  { at: "pods/proxied:162", says: "bar" },
  { at: "pods/http:proxied:162", says: "bar" },
  { at: "pods/https:proxied:443", says: "page" },
  { at: "pods/https:proxied:460", says: "tls baz" },
  { at: "pods/https:proxied:462", says: "tls qux" },
];

/** So often each place is asked; the answer is the same each time. */
const rounds = 20;

const methods = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"] as const satisfies readonly Method[];
const anyMethod = ["pods/proxied:8088", "services/proxied-any"];

/** Returns what of nginx's configuration serves the ports. */
function configuration(family: Lab["family"]): string {
  const servers = ports.map((each) => {
    const listen = `${family === "ipv6" ? "[::]:" : ""}${each.port}${"tls" in each ? " ssl" : ""}`;
    const type = each.says.startsWith("<")
      ? "text/html"
      : each.says.startsWith("{")
        ? "application/json"
        : "text/plain";
    return `server { listen ${listen}; location / { default_type ${type}; return 200 '${each.says}'; } }`;
  });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path /scratch/${of};`);
  return [
    // Which other user there is depends on whose nginx it is.
    ...[
      "daemon off;",
      "user root;",
      "pid /scratch/nginx.pid;",
      "error_log stderr;",
      "events {}",
      "http {",
      "access_log off;",
    ],
    ...[
      ...temporary,
      "ssl_certificate /scratch/front-proxy-ca.crt;",
      "ssl_certificate_key /scratch/front-proxy-ca.key;",
    ],
    ...[...servers, "}", ""],
  ].join("\n");
}

/** Starts a pod that serves the ports, with a Service for some of them and one for the last. */
async function serve(lab: Lab) {
  const labels = { app: "proxied" };
  const metadata = { name: "proxied", namespace: lab.namespace };
  const data = { "nginx.conf": configuration(lab.family) };
  await lab.api.create("what the server is to say", { apiVersion: "v1", kind: "ConfigMap", metadata, data });
  await lab.services.create("proxied", { selector: labels, ports: servicePorts });
  await lab.services.create("proxied-any", { selector: labels, ports: [{ port: 80, targetPort: 8088 }] });
  const scratch = { name: "scratch", mountPath: "/scratch" };
  const image = lab.objects.image("nginx");
  // The API server asks for no certain certificate; the key that kubeadm makes for this one stays in the pod.
  const certificate = {
    ...{ name: "certificate", image },
    command: ["/kubeadm", "init", "phase", "certs", "front-proxy-ca", "--cert-dir=/scratch"],
    args: [`--kubernetes-version=${lab.world.kubernetes}`],
    volumeMounts: [scratch, { name: "kubeadm", mountPath: "/kubeadm", readOnly: true }],
  };
  const server = {
    ...{ name: "server", image },
    command: ["nginx", "-c", "/configuration/nginx.conf"],
    ports: ports.map((each) => ({ containerPort: each.port, ...("name" in each ? { name: each.name } : {}) })),
    readinessProbe: {
      httpGet: { port: 80 },
      periodSeconds: 1,
      timeoutSeconds: Math.ceil(lab.timeouts.readiness / 1000),
    },
    volumeMounts: [scratch, { name: "configuration", mountPath: "/configuration" }],
  };
  const volumes = [
    { name: "scratch", emptyDir: {} },
    { name: "configuration", configMap: { name: "proxied" } },
    { name: "kubeadm", hostPath: { path: "/usr/bin/kubeadm", type: "File" } },
  ];
  return lab.pods.start(
    lab.objects.serverPod("proxied", labels, { initContainers: [certificate], containers: [server], volumes }),
  );
}

/** Has the API server lead requests to the pod and to its Services, and returns what came of each. */
async function proxied(lab: Lab) {
  const base = `/api/v1/namespaces/${lab.namespace}`;
  const pod = await serve(lab);
  const itself = await lab.eventually(
    () => request(lab.pod("client-1"), `http://${pod.on(160)}/`, lab.timeouts.answer),
    answered,
  );
  // It hears of the Services' endpoints a moment later.
  for (const at of ["services/proxied:portname1", "services/proxied-any"])
    await lab.eventually(
      () => lab.api.request("does it know of the endpoint", "GET", `${base}/${at}/proxy/`),
      ({ code }) => code === 200,
    );
  const answers: { at: string; answers: string[] }[] = places.map(({ at }) => ({ at, answers: [] }));
  for (let round = 0; round < rounds; round++)
    await Promise.all(
      answers.map(async (place) => {
        const path = `${base}/${place.at}/proxy/`;
        const { code, body } = await lab.api.request(`the first of ${rounds} times`, "GET", path, {
          silent: round > 0,
        });
        place.answers.push(`HTTP ${code} ${typeof body === "string" ? body : JSON.stringify(body)}`);
      }),
    );
  const asked = await Promise.all(
    anyMethod.flatMap((at) =>
      methods.flatMap((method) =>
        [`/some/path/with/${method}?and=more`, ""].map(async (rest) => {
          const { code, body } = await lab.api.request(`${method} there`, method, `${base}/${at}/proxy${rest}`);
          return { at, method, rest, code, seen: body as { method?: string; path?: string } };
        }),
      ),
    ),
  );
  return {
    itself: itself.body,
    base,
    answers: answers.map(({ at, answers: all }) => ({ at, times: all.length, answers: [...new Set(all)] })),
    asked,
  };
}

claim("api-server-leads-to-pods-and-services", {
  slow: true,
  observe: async (lab) => {
    const { itself, base, answers } = await lab.together("requests led by the API server", () => proxied(lab));
    return { itself, base, answers };
  },
  judge: ({ itself, base, answers }) => {
    positiveControl(itself === "foo", "the pod answers another pod");
    expect(
      answers.map(({ at }) => at),
      "places that were asked",
    ).toEqual(places.map(({ at }) => at));
    for (const [index, { at, says }] of places.entries()) {
      const path = `${base}/${at}/proxy`;
      const { times, answers: all } = answers[index] ?? {};
      expect(times, `requests to ${at}`).toBe(rounds);
      expect(all, `all answers at ${path}/`).toEqual([`HTTP 200 ${says === "page" ? page(path) : says}`]);
    }
  },
  control: live("the API server leads nobody to the Service or the pod", (lab) => forbidProxy(lab, "proxied"), {
    lane: "proxied",
  }),
});

claim("api-server-keeps-method-and-path", {
  slow: true,
  observe: async (lab) => {
    const { itself, asked } = await lab.together("requests led by the API server", () => proxied(lab));
    return { itself, asked };
  },
  judge: ({ itself, asked }) => {
    positiveControl(itself === "foo", "the pod answers another pod");
    expect(asked.length, "requests").toBe(anyMethod.length * methods.length * 2);
    for (const { at, method, rest, code, seen } of asked) {
      const redirected = rest === "" && (method === "GET" || method === "HEAD");
      expect(code, `the HTTP status of ${method} at ${at}/proxy${rest}`).toBe(redirected ? 301 : 200);
      if (redirected || method === "HEAD") continue;
      expect(seen, `how ${at} was asked, by ${method}`).toEqual({ method, path: rest === "" ? "/" : rest });
    }
  },
  control: live("the API server leads nobody to the Service", (lab) => forbidProxy(lab, "proxied-any"), {
    lane: "proxied",
  }),
});

/** Gives a user the right to have requests led to Services and pods of the cast's namespace. */
async function giveRight(lab: Lab, user: string): Promise<void> {
  const metadata = { name: `proxy-for-${user}`, namespace: lab.namespace };
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const rules = [{ apiGroups: [""], resources: ["services/proxy", "pods/proxy"], verbs: ["get"] }];
  await lab.api.create("a role that may", { apiVersion, kind: "Role", metadata, rules });
  await lab.api.create(`${user} has it`, {
    ...{ apiVersion, kind: "RoleBinding", metadata },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: metadata.name },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
  });
}

const askers = ["who-may-proxy", "who-may-not-proxy"] as const;

claim("proxy-takes-a-right", {
  observe: async (lab) => {
    const [may, mayNot] = askers;
    await giveRight(lab, may);
    const ask = async (user: string, at: string) => {
      const path = `/api/v1/namespaces/${lab.namespace}/${at}/proxy/hostname`;
      const answer = await lab.api.request(`${user} asks`, "GET", path, { as: user });
      const said = typeof answer.body === "string" ? answer.body : refusalOf(answer);
      return { at, code: answer.code, said };
    };
    const targets = ["services/web", "pods/server-1:8080"];
    const all = (user: string) => Promise.all(targets.map((at) => ask(user, at)));
    // What is allowed is known a moment later.
    const allowed = await lab.eventually(
      () => all(may),
      (answers) => answers.every(({ code }) => code === 200),
    );
    return { allowed, others: await all(mayNot) };
  },
  judge: ({ allowed, others }) => {
    positiveControl(
      allowed.every(({ code, said }) => code === 200 && ["server-1", "server-2"].includes(said)),
      "a user who has the right is answered by the pods",
    );
    for (const { at, code, said } of others) {
      expect(code, `the HTTP status for a user without the right, at ${at}/proxy (${said})`).toBe(403);
      expect(said, "the reason").toContain("/proxy");
    }
  },
  control: live("the other user is given the right, too", async (lab) => {
    const [, mayNot] = askers;
    await giveRight(lab, mayNot);
    const path = `/api/v1/namespaces/${lab.namespace}/services/web/proxy/hostname`;
    await lab.until(
      "the right to be known",
      () => lab.api.request("may the other one", "GET", path, { as: mayNot }),
      ({ code }) => code === 200,
    );
  }),
});
