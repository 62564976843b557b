import { withIngress } from "../../helpers/lab/ingress.ts";
import type { Lab } from "../../helpers/lab/lab.ts";

/** The Ingress that claims look at, by its name. */
export const ingressName = "routes";

/** Returns who answers by an Ingress, which is made once for all claims. */
export const routed = (lab: Lab) => lab.together("routes of an Ingress", () => withIngress(lab, ingressName, 18_200));

/** Of controls that change that Ingress: a change is to be seen by its own claim alone. */
export const ingressTurns = { lane: "Ingress" };
