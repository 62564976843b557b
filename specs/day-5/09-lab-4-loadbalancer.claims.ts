import { expect } from "vitest";
import { wrapProgram } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { live } from "../../helpers/lab/spec.ts";
import { claim } from "./article.ts";
import { lane, otherServer, welcome } from "./lab-changes.ts";
import { articleNamespace, walk } from "./walkthrough.ts";

claim("port-forward-answers-on-localhost", {
  slow: true,
  observe: (lab) => walk(lab, "forward a port"),
  judge: ({ before, page, ended }) => {
    positiveControl(
      before.outcome === "refused" && ended.outcome === "refused",
      "before and after the port-forward the port refuses",
    );
    expect(page.body, "http://localhost:8080 on the machine that runs kubectl").toContain(welcome);
  },
  control: otherServer,
});

claim("port-forward-serves-a-browser", {
  slow: true,
  observe: (lab) => walk(lab, "forward a port"),
  judge: ({ before, page }) => {
    positiveControl(before.outcome === "refused", "before the port-forward the port refuses");
    expect(page.status, "HTTP status of the page").toBe(200);
    expect(/<title>(.*)<\/title>/.exec(page.body)?.[1], "its title").toBe(welcome);
  },
  control: otherServer,
});

claim("port-forward-simulates-a-loadbalancer", {
  slow: true,
  observe: (lab) => walk(lab, "forward a port"),
  judge: ({ counts, serving, afterwards, page }) => {
    const pods = Object.keys(counts);
    const asked = Object.values(counts).reduce((sum, count) => sum + count, 0);
    positiveControl(page.outcome === "answered" && asked === 30, "30 requests were answered");
    positiveControl(serving !== "", "the pod that was deleted had served some");
    expect(
      pods.length > 1 || afterwards.outcome === "answered" ? "balanced" : "not balanced",
      `30 requests by the port-forward were served by ${pods.join(", ")}, and it was ${afterwards.outcome} once ${serving} was gone: the load is`,
    ).toBe("balanced");
  },
  corrected: ({ counts, serving, afterwards, page }) => {
    expect(page.outcome, "the Service by the port-forward").toBe("answered");
    expect(Object.keys(counts), "the pods that served requests by the port-forward: one of them").toEqual([serving]);
    expect(afterwards.outcome, `the port-forward once ${serving} was gone, which a Service would replace`).not.toBe(
      "answered",
    );
  },
  control: live(
    "a port-forward leads to a proxy that asks the Service anew each time, instead of to a pod of the Service's",
    async (lab) => {
      const service = `web-clusterip.${articleNamespace}.svc.${lab.world.dnsDomain}`;
      // Named by a variable, so that nginx looks it up with each request: the Service is not there yet.
      const script = `
        server=$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1)
        case $server in *:*) server="[$server]" ;; esac
        echo 'user root; events {} http { server { listen 8080; listen [::]:8080; set $service ${service};
          resolver '"$server"' valid=1s; location / { proxy_pass http://$service; } } }' >/etc/nginx/proxy.conf
        exec nginx -c /etc/nginx/proxy.conf -g 'daemon off;'`;
      const container = { name: "proxy", image: lab.objects.image("nginx"), command: ["sh", "-c", script] };
      await lab.pods.start(lab.objects.serverPod("proxy", {}, { containers: [container] }));
      await wrapProgram(lab, lab.outsider, "kubectl", (aside) => [
        `[ "$1" = port-forward ] || exec ${aside} "$@"`,
        `exec ${aside} port-forward --namespace ${lab.namespace} pod/proxy 8080:8080`,
      ]);
    },
    { lane },
  ),
});
