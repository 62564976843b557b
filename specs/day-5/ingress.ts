import { withIngress } from "../../helpers/lab/ingress.ts";
import type { Lab } from "../../helpers/lab/lab.ts";

/** The Ingress that claims look at, by its name. */
export const ingressName = "routes";

/** Returns who answers by that Ingress. */
export const routed = (lab: Lab) => withIngress(lab, ingressName, 18_200);

/** Of controls that change that Ingress: a change is to be seen by its own claim alone. */
export const ingressTurns = { lane: "Ingress" };
