import { expect, test } from "vitest";
import { failureOfPolicy, matching } from "./admission.ts";

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

test("a change to the status of an object is meant, and to create its specimen", () => {
  const { matchConstraints, matchConditions } = matching({
    ...{ kind: "Service", name: "web", namespace: "cast", operations: ["UPDATE"], subresource: "status" },
  });
  const rule = { apiGroups: [""], apiVersions: ["*"] };
  expect(matchConstraints.resourceRules).toEqual([
    { ...rule, operations: ["CREATE"], resources: ["services"] },
    { ...rule, operations: ["UPDATE"], resources: ["services/status"] },
  ]);
  const meant = "request.operation in ['UPDATE'] && request.namespace == 'cast'";
  expect(matchConditions[0]?.expression).toContain(
    `object.metadata.name == 'web' && (has(object.metadata.annotations)`,
  );
  expect(matchConditions[0]?.expression).toContain(`|| ${meant})`);
});

test("a deletion with others is meant only where no object is named", () => {
  const { matchConstraints, matchConditions } = matching({
    ...{ kind: "IPAddress", name: "192.0.2.1", operations: ["DELETECOLLECTION"] },
  });
  expect(matchConstraints.resourceRules.map(({ operations }) => operations)).toEqual([["CREATE"], ["DELETE"]]);
  expect(matchConditions[0]?.expression).toContain(
    "request.operation == 'DELETE' ? oldObject.metadata.name == '192.0.2.1' && (!has(request.name) || request.name == '')",
  );
});
