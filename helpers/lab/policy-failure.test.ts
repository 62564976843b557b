import { expect, test } from "vitest";
import { failureOfPolicy } from "./policy-failure.ts";

test.each([
  [
    "a patch that does not fit",
    "HTTP 403\n{ message: \"policy 'knc-deadbeef' with binding 'knc-deadbeef' denied request: JSON Patch: replace operation does not apply\" }",
    'JSON Patch: replace operation does not apply" }',
  ],
  [
    "an expression that fails",
    "ValidatingAdmissionPolicy 'knc-deadbee1' with binding 'knc-deadbee1' denied request: expression 'object.a == 1' resulted in error: no such key: a",
    "expression 'object.a == 1' resulted in error: no such key: a",
  ],
  [
    "a refusal that is the change",
    "ValidatingAdmissionPolicy 'knc-deadbee1' with binding 'knc-deadbee1' denied request: not this port",
    undefined,
  ],
  ["somebody else's policy", "policy 'team' with binding 'team' denied request: no", undefined],
])("%s", (_name, text, failure) => {
  expect(failureOfPolicy(text)).toBe(failure);
});
