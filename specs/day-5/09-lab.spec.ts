// One file for all claims that type the article's lab: its steps share a namespace, so that one process types them, and each once.
import "./09-lab-1-deployment.claims.ts";
import "./09-lab-2-clusterip.claims.ts";
import "./09-lab-3-nodeport.claims.ts";
import "./09-lab-4-loadbalancer.claims.ts";
import "./10-packets.claims.ts";
import "./11-service-traffic.claims.ts";
