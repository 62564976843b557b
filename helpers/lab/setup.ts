import { keepLedger, ledger } from "../host/ledger.ts";
import { readSettings } from "../host/settings.ts";

// One worker takes several spec files, and this file is run before each.
if (!ledger.hasSubscribers) keepLedger(readSettings().out);
