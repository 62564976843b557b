import { text } from "node:stream/consumers";
import { connect } from "node:tls";

/**
 * A program, so that it can be run where the specs will be: ends well where the API server of a node is reached at the node's own
 * address. It has to have a certificate of the authority on standard input, since another machine may have that address where this one is.
 */
const ca = await text(process.stdin);
connect({ host: process.argv[2] ?? "", port: 6443, ca, checkServerIdentity: () => undefined })
  .once("secureConnect", () => process.exit(0))
  .once("error", () => process.exit(1));
