import { keepLedger } from "../host/ledger.ts";
import { readSettings } from "../host/settings.ts";

keepLedger(readSettings().out);
