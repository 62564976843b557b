import { expect } from "vitest";
import { mutate, refuse } from "../../helpers/changes/admission.ts";
import { Cel, patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import { live } from "../../helpers/lab/spec.ts";
import { type KubernetesObject, refusalOf } from "../../helpers/probe/api.ts";
import { meet, request } from "../../helpers/probe/http.ts";
import { claim, printed, printedObject } from "./article.ts";

claim("printed-manifests-are-valid", {
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("printed");
    const tried = async (object: KubernetesObject) => {
      const answer = await lab.api.tryCreate(`would ${object.kind} ${object.metadata.name} be accepted`, object, {
        dryRun: true,
      });
      return {
        object: `${object.kind} ${object.metadata.name}`,
        code: answer.code,
        message: refusalOf(answer),
      };
    };
    const printedOnes = printed.names.manifests.map((name) => printedObject(name, namespace));
    const answers = await Promise.all(printedOnes.map(tried));
    const [first] = printedOnes;
    return {
      answers,
      withAnUnknownField: await tried({
        ...(first as KubernetesObject),
        spec: { ...(first?.["spec"] as object), colour: "red" },
      }),
    };
  },
  judge: ({ answers, withAnUnknownField }) => {
    positiveControl(answers.length === 8, "the article prints eight manifests, and each was tried");
    positiveControl(withAnUnknownField.code >= 400, "a manifest with a field that does not exist is refused");
    for (const { object, code, message } of answers) {
      // Of a node port that somebody has, or that this cluster gives to nobody, nothing is wrong but that.
      const notToBeHad = /provided port is (already allocated|not in the valid range)/.test(message);
      expect(code === 201 || notToBeHad, `${object}, checked strictly: HTTP ${code} ${message}`).toBe(true);
    }
  },
  control: live(
    "the API server refuses one of the article's Services",
    (lab) => refuse(lab, { kind: "Service", name: "my-clusterip-service" }, "not this one", outside("printed")),
    { lane: "my-clusterip-service" },
  ),
});

/** CEL: not in a check's own namespace of that name, nor where a policy is tried. */
function outside(name: string): string {
  return `!object.metadata.namespace.startsWith('${name}-') && object.metadata.namespace != 'kube-public'`;
}

claim("printed-service-name-is-legal", {
  observe: async (lab) => {
    const service = printedObject("my-service", await lab.ownNamespace("names"));
    const tried = async (name: string) => {
      const { code } = await lab.api.tryCreate(
        `a Service named ${name}`,
        { ...service, metadata: { ...service.metadata, name } },
        { dryRun: true },
      );
      return code;
    };
    return {
      asPrinted: (await lab.api.tryCreate("the Service as printed", service)).code,
      letters64: await tried("a".repeat(64)),
      capital: await tried("My-service"),
    };
  },
  judge: ({ asPrinted, letters64, capital }) => {
    positiveControl(letters64 === 422 && capital === 422, "names with 64 letters or a capital are refused");
    expect(asPrinted, "the answer for the Service as printed").toBe(201);
  },
  control: live(
    "the API server refuses the name my-service",
    (lab) => refuse(lab, { kind: "Service", name: "my-service" }, "no legal name", outside("names")),
    { lane: "my-service" },
  ),
});

claim("example-services-select-my-app", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("my-app");
    const service = await lab.services.createFrom(
      "the article's Service",
      printedObject("my-clusterip-service", namespace),
    );
    const target = service.on(80);
    const client = lab.pod("client-1");
    const ask = (timeout = lab.timeouts.attempt) => meet(client, target, timeout);
    const pod = lab.objects.serverPod("relabelled", { app: "myapp" }, {}, namespace);
    const peer = await lab.pods.start(pod);
    // By IPv6 a refusal was heard only when the SYN was sent again, a second later.
    const alone = await lab.eventually(
      () => ask(lab.timeouts.silence),
      ({ outcome }) => outcome === "refused",
    );
    const without = await lab.services.endpointsOf("my-clusterip-service", namespace);
    await lab.api.patch("label it as the article's Services select", pod, { metadata: { labels: { app: "MyApp" } } });
    const served = await lab.eventually(() => ask(), answered);
    const direct = await whoAnswers(lab, client, peer.on(8080));
    return { alone, without, served, direct };
  },
  judge: ({ alone, without, served, direct }) => {
    positiveControl(
      !answered(alone) && without.length === 0,
      "a pod labelled app: myapp is not selected, and nobody answers",
    );
    positiveControl(direct.pod === "relabelled", "the pod itself answers");
    expect(served.pod, "who answers at the article's Service once a pod has the label app: MyApp").toBe("relabelled");
  },
  control: live(
    "the article's Service selects another label",
    (lab) =>
      mutate.service(
        lab,
        "my-clusterip-service",
        patch.add("/spec/selector", {
          app: new Cel("object.metadata.namespace.startsWith('my-app-') ? 'AnotherApp' : 'MyApp'"),
        }),
      ),
    { lane: "my-clusterip-service" },
  ),
});

claim("port-is-what-the-service-exposes", {
  observe: async (lab) => {
    const service = await lab.services.create("other-port", {
      selector: { app: "server" },
      ports: [{ port: 8081, targetPort: 8080 }],
    });
    const ask = (port: number, timeout: number) => meet(lab.pod("client-1"), service.on(port), timeout);
    return {
      onPort: await lab.eventually(() => ask(8081, lab.timeouts.attempt), answered),
      onTargetPort: await ask(8080, lab.timeouts.silence),
      direct: await whoAnswers(lab, lab.pod("client-1"), lab.pod("server-1").on(8080)),
    };
  },
  judge: ({ onPort, onTargetPort, direct }) => {
    positiveControl(answered(direct), "a pod of the Service answers at its own address");
    expect(onPort.outcome, `${onPort.to}, the Service's port`).toBe("answered");
    expect(onTargetPort.outcome, `${onTargetPort.to}, the port of its pods`).not.toBe("answered");
  },
  control: live("the Service has the port of its pods", (lab) =>
    mutate.service(lab, "other-port", patch.replace("/spec/ports/0/port", 8080)),
  ),
});

claim("port-80-leads-to-target-port-9376", {
  observe: async (lab) => {
    const pod = lab.pod("my-app");
    const service = await lab.services.createFrom(
      "the article's Service",
      printedObject("my-service", lab.otherNamespace),
    );
    const client = lab.pod("client-1");
    const ask = (target: string, timeout = lab.timeouts.attempt) => request(client, `http://${target}/`, timeout);
    return {
      byService: await lab.eventually(() => ask(service.on(80)), answered),
      direct: await lab.eventually(() => ask(pod.on(9376), lab.timeouts.answer), answered),
      direct80: await ask(pod.on(80), lab.timeouts.silence),
      wrongPort: await ask(service.on(9376), lab.timeouts.silence),
    };
  },
  judge: ({ byService, direct, direct80, wrongPort }) => {
    positiveControl(direct.body === "my-app", "the pod answers on 9376");
    positiveControl(!answered(direct80), "and not on 80");
    expect(byService.body, "who answers at port 80 of the Service").toBe("my-app");
    expect(wrongPort.outcome, "port 9376 of the Service").not.toBe("answered");
  },
  control: live(
    "the article's Service aims at a port on which its pods do not listen",
    (lab) =>
      mutate.service(
        lab,
        "my-service",
        patch.replace(
          "/spec/ports/0/targetPort",
          new Cel(`object.metadata.namespace == '${lab.otherNamespace}' ? 9375 : 9376`),
        ),
      ),
    { lane: "my-service" },
  ),
});

claim("target-port-is-the-pods-port", {
  observe: async (lab) => {
    const ask = async (name: string, targetPort: number) => {
      const service = await lab.services.create(name, {
        selector: { app: "server" },
        ports: [{ port: 80, targetPort }],
      });
      return (timeout: number) => meet(lab.pod("client-1"), service.on(80), timeout);
    };
    const [right, wrong] = [await ask("right-target", 8080), await ask("wrong-target", 8099)];
    // A Service without endpoints is refused too, for another reason.
    await lab.until(
      "both pods among the endpoints",
      () => lab.services.endpointsOf("wrong-target"),
      (found) => found.length === 2,
    );
    return {
      right: await lab.eventually(() => right(lab.timeouts.attempt), answered),
      wrong: await lab.eventually(
        () => wrong(lab.timeouts.silence),
        ({ outcome }) => outcome === "refused",
      ),
    };
  },
  judge: ({ right, wrong }) => {
    expect(right.outcome, "the Service whose targetPort is the port that the pods listen on").toBe("answered");
    expect(wrong.outcome, "the Service whose targetPort is another").toBe("refused");
  },
  control: live("the Service aims at a port on which its pods do not listen", (lab) =>
    mutate.targetPort(lab, "right-target", 8098),
  ),
});

claim("four-types-of-service", {
  observe: async (lab) => {
    const tried = async (type: string) => {
      const spec = {
        type,
        ports: [{ port: 80 }],
        ...(type === "ExternalName" ? { externalName: "a.example.test" } : {}),
      };
      const answer = await lab.api.tryCreate(`type ${type}`, lab.objects.service("typed", spec), {
        dryRun: true,
      });
      return { type, code: answer.code, message: refusalOf(answer) };
    };
    return {
      types: await Promise.all(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].map(tried)),
      other: await tried("Foo"),
    };
  },
  judge: ({ types, other }) => {
    for (const { type, code, message } of types) expect(code, `type ${type} ${message}`).toBe(201);
    expect(other.code, "the answer for type Foo").toBe(422);
    const [, supported = ""] = /supported values: (.+)$/.exec(other.message) ?? [];
    expect(
      new Set([...supported.matchAll(/"(\w+)"/g)].map(([, type]) => type)),
      "the types that the API says it supports",
    ).toEqual(new Set(types.map(({ type }) => type)));
  },
  control: live("the API server takes no Service of type ClusterIP", (lab) =>
    refuse(lab, { kind: "Service", name: "typed" }, "not of this type", "object.spec.type != 'ClusterIP'"),
  ),
});
