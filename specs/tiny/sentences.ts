/** What each claim states, by its id. Written by `npm run claims`. */
export interface Sentences {
  readonly "every-pod-has-an-address": "Each pod has an IP address that no other pod has.";
  readonly "cluster-ip-answers-outside": "A client outside the cluster is answered at the cluster IP.";
}
